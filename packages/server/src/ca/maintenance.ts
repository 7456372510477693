import { type Clock, sleep } from '@mini-spire/runtime/clock'
import type { Logger } from '@mini-spire/runtime/log/logger'
import type { OwnBundle } from '../bundle/own-bundle.ts'
import type { Store } from '../store/store.ts'
import { caCause, type JournalReader } from './journal.ts'
import { pruneJournals } from './prune-journals.ts'

const hourMs = 60 * 60 * 1000
const pruneBundleIntervalMs = 6 * hourMs
const pruneJournalsIntervalMs = 8 * hourMs
/** How long an authority stays in the bundle after it expired. */
const bundleMarginMs = 24 * hourMs

/** How a run went. */
export interface PruningOutcome {
  readonly durationMs: number
  /** Whether the bundle was changed. */
  readonly isChanged: boolean
  /** Undefined when it succeeded. */
  readonly error: unknown
}

/** Options of {@link runCaMaintenance}. */
export interface CaMaintenanceOptions {
  readonly bundle: OwnBundle
  readonly journals: JournalReader
  readonly store: Pick<Store, 'commit'>
  readonly clock: Clock
  readonly log: Logger
  /** Told of each run. */
  readonly onPruned?: (outcome: PruningOutcome) => void
  readonly signal: AbortSignal
}

/**
 * Removes what has expired until the signal aborts: authorities from the own bundle every six hours, journals of servers that
 * have gone every eight. Each first runs one interval after the start. Failures are logged, the next run tries again.
 */
export async function runCaMaintenance(options: CaMaintenanceOptions): Promise<void> {
  const { log } = options
  await Promise.all([
    every(pruneBundleIntervalMs, options, 'Could not prune CA certificates', async () => {
      const isChanged = await pruneBundle(options)
      if (isChanged) log.debug('Expired certificates were successfully pruned from bundle')
      return isChanged
    }),
    every(pruneJournalsIntervalMs, options, 'Could not prune CA journals', async () => {
      await pruneJournals({ ...options, nowMs: options.clock.nowMs() })
      return false
    }),
  ])
}

function pruneBundle({ bundle, clock }: CaMaintenanceOptions): Promise<boolean> {
  return bundle.prune(new Date(clock.nowMs() - bundleMarginMs), caCause('bundle prune'))
}

async function every(
  intervalMs: number,
  options: CaMaintenanceOptions,
  failure: string,
  work: () => Promise<boolean>,
): Promise<void> {
  const { clock, log, onPruned, signal } = options
  while (await sleep(clock, intervalMs, signal)) {
    const startedMs = clock.nowMs()
    const durationMs = (): number => clock.nowMs() - startedMs
    try {
      const isChanged = await work()
      onPruned?.({ durationMs: durationMs(), isChanged, error: undefined })
    } catch (error) {
      log.error(failure, { error })
      onPruned?.({ durationMs: durationMs(), isChanged: false, error })
    }
  }
}
