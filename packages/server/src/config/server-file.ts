import type { Node, ObjectList } from '@mini-spire/runtime/config/ast'
import { healthChecksSchema, telemetrySchema } from '@mini-spire/runtime/config/daemon-schema'
import { decodeSection } from '@mini-spire/runtime/config/decode'
import { type Decoded, type UnknownKey, unknownKeys } from '@mini-spire/runtime/config/schema'
import { serverSchema } from './schema.ts'

/** A server's configuration as given: zero values where nothing was. */
export interface ServerFile {
  readonly server: Decoded<typeof serverSchema>
  readonly plugins: Node | undefined
  readonly telemetry: Decoded<typeof telemetrySchema>
  readonly healthChecks: Decoded<typeof healthChecksSchema>
  /** Unknown blocks beside these. */
  readonly [unknownKeys]: readonly UnknownKey[]
}

/** Top-level blocks of a server's configuration file. */
export const serverFileKeys: readonly string[] = ['server', 'plugins', 'telemetry', 'health_checks']

/**
 * Decodes a parsed configuration file.
 *
 * @throws {ConfigError} for a value of the wrong type
 */
export function decodeServerFile(list: ObjectList): ServerFile {
  const file = decodeSection(
    {
      server: { type: 'section', fields: serverSchema },
      plugins: { type: 'node' },
      telemetry: { type: 'section', fields: telemetrySchema },
      health_checks: { type: 'section', fields: healthChecksSchema },
    },
    list,
  )
  return {
    server: file.server,
    plugins: file.plugins,
    telemetry: file.telemetry,
    healthChecks: file.health_checks,
    [unknownKeys]: file[unknownKeys],
  }
}

/** What the flags of `run` and `validate` override; zero values override nothing. */
export interface ServerFlags {
  readonly bindAddress: string
  readonly serverPort: number
  readonly dataDir: string
  readonly logFile: string
  readonly logFormat: string
  readonly logLevel: string
  readonly logSourceLocation: boolean
  readonly socketPath: string
  readonly trustDomain: string
}

/** Merges flags over the file over the defaults; a value is taken from the next only while it is zero. */
export function mergeServer(file: ServerFile, flags: ServerFlags): ServerFile {
  const { server } = file
  return {
    ...file,
    server: {
      ...server,
      bind_address: flags.bindAddress || server.bind_address || '0.0.0.0',
      bind_port: flags.serverPort || server.bind_port || 8081,
      ca_ttl: server.ca_ttl || '24h',
      data_dir: flags.dataDir || server.data_dir,
      log_file: flags.logFile || server.log_file,
      log_format: flags.logFormat || server.log_format,
      log_level: flags.logLevel || server.log_level || 'INFO',
      log_source_location: flags.logSourceLocation || server.log_source_location,
      socket_path: flags.socketPath || server.socket_path,
      trust_domain: flags.trustDomain || server.trust_domain,
    },
  }
}
