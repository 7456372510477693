import type { FlagValues } from '@mini-spire/runtime/cli/flags'
import type { ServerFlags } from '../config/server-file.ts'

/** Flags of `run` and `validate`. */
export const runFlags = {
  bindAddress: { type: 'string', usage: 'IP address or DNS name of the SPIRE server' },
  serverPort: { type: 'int', usage: 'Port number of the SPIRE server' },
  config: { type: 'string', usage: 'Path to a SPIRE config file' },
  dataDir: { type: 'string', usage: 'Directory to store runtime data to' },
  logFile: { type: 'string', usage: 'File to write logs to' },
  logFormat: { type: 'string', usage: "'text' or 'json'" },
  logSourceLocation: {
    type: 'bool',
    usage: 'Include source file, line number and function name in log lines',
  },
  logLevel: { type: 'string', usage: "'debug', 'info', 'warn', or 'error'" },
  trustDomain: { type: 'string', usage: 'The trust domain that this server belongs to' },
  expandEnv: { type: 'bool', usage: 'Expand environment variables in SPIRE config file' },
  socketPath: { type: 'string', usage: 'Path to bind the SPIRE Server API socket to' },
} as const

/** What the flags say about the configuration. */
export type RunFlagValues = FlagValues<typeof runFlags> & ServerFlags
