import { messageOf } from '@mini-spire/sdk/errors'
import type { RootLogger } from '../log/log-control.ts'

/**
 * Keeps a daemon alive and listens to its signals: SIGINT and SIGTERM abort what is returned, SIGUSR2 opens the log file anew, SIGUSR1
 * only says that it was heard: what has to be done then is registered with {@link onReconfigureSignal}.
 *
 * SIGHUP keeps its default and ends the process: there is no reload.
 */
export function untilSignal(log: RootLogger): AbortSignal {
  const stop = new AbortController()
  // Neither timers nor signals keep a process alive: one that waits for its next attempt, and for nothing else, would end.
  new MessageChannel().port1.ref()
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

/** Calls back at each SIGUSR1 until it is disposed: operators send it when a `plugin_data_file` has changed. */
export function onReconfigureSignal(listener: () => void): Disposable {
  process.on('SIGUSR1', listener)
  return { [Symbol.dispose]: () => void process.off('SIGUSR1', listener) }
}
