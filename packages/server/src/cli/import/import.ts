import type { AnyCommand } from '@mini-spire/runtime/cli/command'
import type { FlagValues } from '@mini-spire/runtime/cli/flags'
import { CommandError } from '@mini-spire/runtime/cli/usage-error'
import { stringifyGoJson } from '@mini-spire/runtime/go-json'
import { serverCommand } from '../server-command.ts'
import { formatReport, reportToJson } from './print-report.ts'

const flags = {
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

/** Flags of `import`. */
export type ImportFlagValues = FlagValues<typeof flags>

/** `import`: the data of a SPIRE server, from its database or over its socket. */
export const command: AnyCommand = serverCommand({
  name: 'import',
  flags,
  async run(context) {
    const { flags: values, terminal } = context
    const isFromSocket = values['from-socket'] !== ''
    if (values['from-datastore'] === isFromSocket) {
      throw new CommandError('say either -from-datastore or -from-socket')
    }
    const report = isFromSocket
      ? await (await import('./from-socket.ts')).importFromSocket(context)
      : await (await import('./from-datastore.ts')).importFromDatastore(values, terminal)
    const isJson = Reflect.get(values, 'output') === 'json'
    terminal.out(isJson ? `${stringifyGoJson(reportToJson(report))}\n` : formatReport(report))
    return [...report.counts.values()].some(({ refused }) => refused > 0) ? 1 : 0
  },
})
