import type { FlagValues } from '@mini-spire/runtime/cli/flags'

/** The flags of `import`. */
export const importFlags = {
  'from-datastore': {
    type: 'bool',
    usage:
      'Read the database that the configuration file names, of a SPIRE server that is stopped, into the store in its data_dir',
  },
  'from-socket': {
    type: 'string',
    usage: 'Read from the API socket of a SPIRE server that runs, into the server at -socketPath',
  },
  config: { type: 'string', usage: 'Path to the SPIRE config file (with -from-datastore)' },
  expandEnv: {
    type: 'bool',
    usage: 'Expand environment variables in SPIRE config file (with -from-datastore)',
  },
  dataDir: {
    type: 'string',
    usage: 'Directory whose store is written, if not the data_dir of the config file',
  },
  dryRun: {
    type: 'bool',
    usage: 'Indicates that the command will not write anything, but report what it would do.',
  },
} as const

/** What they were given. */
export type ImportFlagValues = FlagValues<typeof importFlags>
