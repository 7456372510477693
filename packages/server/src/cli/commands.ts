import type { AnyCommand, CommandEntry } from '@mini-spire/runtime/cli/command'
import { authorityCommands } from './localauthority/authority-commands.ts'

type Module = Promise<{ readonly command: AnyCommand }>

function entry(path: string, synopsis: string, load: () => Module): CommandEntry {
  return { path, synopsis, load: async () => (await load()).command }
}

/**
 * Every command of the server. None is loaded before it is called.
 *
 * @param featureFlags names of feature flags, with a space between: some commands are there only with theirs
 */
export function serverCommands(featureFlags = ''): readonly CommandEntry[] {
  return [
    ...agentCommands(),
    ...bundleCommands(),
    entry(
      'debug getinfo',
      'Prints debug information about the server',
      () => import('./debug/getinfo.ts'),
    ),
    ...entryCommands(),
    ...federationCommands(),
    entry('healthcheck', 'Determines server health status', () => import('./healthcheck.ts')),
    entry('import', "Takes over a SPIRE server's data", () => import('./import/import.ts')),
    entry('jwt mint', 'Mints a JWT-SVID', () => import('./jwt/mint.ts')),
    ...authorityCommands(),
    ...loggerCommands(),
    entry('run', 'Runs the server', () => import('./run.ts')),
    entry('run', 'Runs the server', () => import('./run.ts')),
    entry('token generate', 'Generates a join token', () => import('./token/generate.ts')),
    entry('validate', 'Validates a SPIRE server configuration file', () => import('./validate.ts')),
    ...(featureFlags.split(' ').includes('wit-svid')
      ? [entry('wit mint', 'Mints a WIT-SVID', () => import('./wit/mint.ts'))]
      : []),
    entry('x509 mint', 'Mints an X509-SVID', () => import('./x509/mint.ts')),
  ]
}

function agentCommands(): readonly CommandEntry[] {
  return [
    entry('agent ban', 'Ban an attested agent given its SPIFFE ID', () => import('./agent/ban.ts')),
    entry('agent count', 'Count attested agents', () => import('./agent/count.ts')),
    entry(
      'agent evict',
      'Evicts an attested agent given its SPIFFE ID',
      () => import('./agent/evict.ts'),
    ),
    entry(
      'agent list',
      'Lists attested agents and their SPIFFE IDs',
      () => import('./agent/list.ts'),
    ),
    entry(
      'agent purge',
      'Purge expired agents that were attested using a non-TOFU security model based on a given time',
      () => import('./agent/purge.ts'),
    ),
    entry(
      'agent show',
      'Shows the details of an attested agent given its SPIFFE ID',
      () => import('./agent/show.ts'),
    ),
  ]
}

function bundleCommands(): readonly CommandEntry[] {
  return [
    entry('bundle count', 'Count bundles', () => import('./bundle/count.ts')),
    entry('bundle delete', 'Deletes federated bundle data', () => import('./bundle/delete.ts')),
    entry('bundle list', 'Lists federated bundle data', () => import('./bundle/list.ts')),
    entry(
      'bundle set',
      'Creates or updates federated bundle data',
      () => import('./bundle/set.ts'),
    ),
    entry('bundle show', 'Prints server CA bundle to stdout', () => import('./bundle/show.ts')),
  ]
}

function entryCommands(): readonly CommandEntry[] {
  return [
    entry('entry count', 'Count registration entries', () => import('./entry/count.ts')),
    entry('entry create', 'Creates registration entries', () => import('./entry/create.ts')),
    entry('entry delete', 'Deletes registration entries', () => import('./entry/delete.ts')),
    entry(
      'entry show',
      'Displays configured registration entries',
      () => import('./entry/show.ts'),
    ),
    entry('entry update', 'Updates registration entries', () => import('./entry/update.ts')),
  ]
}

function federationCommands(): readonly CommandEntry[] {
  return [
    entry(
      'federation create',
      'Creates a dynamic federation relationship with a foreign trust domain',
      () => import('./federation/create.ts'),
    ),
    entry(
      'federation delete',
      'Deletes a dynamic federation relationship',
      () => import('./federation/delete.ts'),
    ),
    entry(
      'federation list',
      'Lists all dynamic federation relationships',
      () => import('./federation/list.ts'),
    ),
    entry(
      'federation refresh',
      'Refreshes the bundle from the specified federated trust domain',
      () => import('./federation/refresh.ts'),
    ),
    entry(
      'federation show',
      'Shows a dynamic federation relationship',
      () => import('./federation/show.ts'),
    ),
    entry(
      'federation update',
      'Updates a dynamic federation relationship with a foreign trust domain',
      () => import('./federation/update.ts'),
    ),
  ]
}

function loggerCommands(): readonly CommandEntry[] {
  return [
    entry('logger get', 'Gets the logger details', () => import('./logger/get.ts')),
    entry(
      'logger reset',
      'Reset the logger details to launch level',
      () => import('./logger/reset.ts'),
    ),
    entry('logger set', 'Sets the logger details', () => import('./logger/set.ts')),
  ]
}
