import type { CommandEntry } from '@mini-spire/runtime/cli/command'

/** The commands for the server's own authorities, and for the one above. None is loaded before it is called. */
export function authorityCommands(): readonly CommandEntry[] {
  return [
    {
      path: 'localauthority jwt activate',
      synopsis:
        'Activates a prepared JWT authority for use, which will cause it to be used for all JWT signing operations serviced by this server going forward',
      load: async () => (await import('./jwt.ts')).activate,
    },
    {
      path: 'localauthority jwt prepare',
      synopsis:
        'Prepares a new JWT authority for use by generating a new key and injecting it into the bundle',
      load: async () => (await import('./jwt.ts')).prepare,
    },
    {
      path: 'localauthority jwt revoke',
      synopsis:
        'Revokes the previously active JWT authority by removing it from the bundle and propagating this update throughout the cluster',
      load: async () => (await import('./jwt.ts')).revoke,
    },
    {
      path: 'localauthority jwt show',
      synopsis: 'Shows the local JWT authorities',
      load: async () => (await import('./jwt.ts')).show,
    },
    {
      path: 'localauthority jwt taint',
      synopsis: 'Marks the previously active JWT authority as being tainted',
      load: async () => (await import('./jwt.ts')).taint,
    },
    {
      path: 'localauthority x509 activate',
      synopsis:
        'Activates a prepared X.509 authority for use, which will cause it to be used for all X.509 signing operations serviced by this server going forward',
      load: async () => (await import('./x509.ts')).activate,
    },
    {
      path: 'localauthority x509 prepare',
      synopsis:
        'Prepares a new X.509 authority for use by generating a new key and injecting the resulting CA certificate into the bundle',
      load: async () => (await import('./x509.ts')).prepare,
    },
    {
      path: 'localauthority x509 revoke',
      synopsis:
        'Revokes the previously active X.509 authority by removing it from the bundle and propagating this update throughout the cluster',
      load: async () => (await import('./x509.ts')).revoke,
    },
    {
      path: 'localauthority x509 show',
      synopsis: 'Shows the local X.509 authorities',
      load: async () => (await import('./x509.ts')).show,
    },
    {
      path: 'localauthority x509 taint',
      synopsis: 'Marks the previously active X.509 authority as being tainted',
      load: async () => (await import('./x509.ts')).taint,
    },
    {
      path: 'upstreamauthority revoke',
      synopsis:
        'Revokes the previously active X.509 upstream authority by removing it from the bundle and propagating this update throughout the cluster',
      load: async () => (await import('../upstreamauthority/revoke.ts')).command,
    },
    {
      path: 'upstreamauthority taint',
      synopsis: 'Marks the provided X.509 upstream authority as being tainted',
      load: async () => (await import('../upstreamauthority/taint.ts')).command,
    },
  ]
}
