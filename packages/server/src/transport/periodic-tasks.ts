import { type Clock, sleep } from '@mini-spire/runtime/clock'
import type { Logger } from '@mini-spire/runtime/log/logger'
import { messageOf } from '@mini-spire/sdk/errors'

/** One thing that a running server does again and again. */
export interface PeriodicTask {
  /** How its failure is logged. */
  readonly failure: string
  readonly intervalMs: number
  readonly work: () => Promise<unknown>
}

/** Does the work one interval from now, and one interval after each end, until the signal aborts. A failure is logged. */
export async function runPeriodically(
  { failure, intervalMs, work }: PeriodicTask,
  {
    clock,
    log,
    signal,
  }: { readonly clock: Clock; readonly log: Logger; readonly signal: AbortSignal },
): Promise<void> {
  while (await sleep(clock, intervalMs, signal)) {
    try {
      await work()
    } catch (error) {
      log.error(failure, { error: messageOf(error) })
    }
  }
}
