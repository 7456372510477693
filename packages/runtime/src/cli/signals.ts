import { messageOf } from '@mini-spire/sdk/errors'
import type { RootLogger } from '../log/log-control.ts'

/**
 * Listens to the signals of a daemon: SIGINT and SIGTERM abort what is returned, SIGUSR2 opens the log file anew, SIGUSR1 is
 * where plugins with a `plugin_data_file` are configured again: no built-in one can be yet, so that it only says it was heard.
 *
 * SIGHUP keeps its default and ends the process: there is no reload.
 */
export function untilSignal(log: RootLogger): AbortSignal {
  const stop = new AbortController()
  for (const name of ['SIGINT', 'SIGTERM'] as const) process.on(name, () => stop.abort())
  process.on('SIGUSR1', () => log.info('Reconfigure signal received'))
  process.on('SIGUSR2', () => {
    try {
      log.reopen()
    } catch (error) {
      log.error('failed to rotate log after signal', { error: messageOf(error) })
    }
  })
  return stop.signal
}
