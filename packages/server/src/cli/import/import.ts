import type { AnyCommand } from '@mini-spire/runtime/cli/command'
import { CommandError } from '@mini-spire/runtime/cli/usage-error'
import { stringifyGoJson } from '@mini-spire/runtime/go-json'
import { serverCommand } from '../server-command.ts'
import { importFlags } from './import-flags.ts'
import { formatReport, reportToJson } from './print-report.ts'

/** `import`: the data of a SPIRE server, from its database or over its socket. */
export const command: AnyCommand = serverCommand({
  name: 'import',
  flags: importFlags,
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
