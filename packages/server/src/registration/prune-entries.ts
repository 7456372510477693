import { sleep } from '@mini-spire/runtime/clock'
import type { Logger } from '@mini-spire/runtime/log/logger'
import { messageOf } from '@mini-spire/sdk/errors'
import type { Cause } from '../store/store.ts'
import { commitEach, isWriteConflict, type RegistrationState } from './registration-state.ts'

/** How often expired entries are looked for. The first time is one interval after the start. */
export const pruneIntervalMs: number = 5 * 60_000

/** The most entries that one commit deletes, so that others' commits do not wait behind a flood of expiries. */
const maxBatchSize = 500

const cause: Cause = {
  actor: { class: 'server', id: 'registration' },
  requestId: '',
  reason: 'entry prune',
}

/**
 * Deletes the entries that have expired. One that was changed meanwhile stays and is judged anew next time.
 *
 * @returns how many were deleted
 * @throws what the store refused to delete them with
 */
export async function pruneEntries(state: RegistrationState, log: Logger): Promise<number> {
  const expired = state.registry.entries.expiredBefore(Math.floor(state.clock.nowMs() / 1000))
  let count = 0
  for (let start = 0; start < expired.length; start += maxBatchSize) {
    const batch = expired.slice(start, start + maxBatchSize)
    const errors = await commitEach(
      state,
      batch.map((entry) => ({
        cause,
        mutations: [
          { op: 'delete', kind: 'entry', key: entry.id, expect: { unchanged: entry } } as const,
        ],
      })),
    )
    for (const [index, { id, spiffeId, parentId }] of batch.entries()) {
      const error = errors[index]
      if (error !== undefined && !isWriteConflict(error)) throw error
      if (error !== undefined) continue
      count++
      const fields = {
        // SPIRE's store says it.
        subsystem_name: 'sql',
        spiffe_id: `${spiffeId}`,
        parent_id: `${parentId}`,
        entry_id: id,
      }
      log.info('Pruned an expired registration', fields)
    }
  }
  return count
}

/** Does some work and counts it. */
export type MeasureWork = <T>(work: () => Promise<T>) => Promise<T>

/** Prunes every five minutes until the signal aborts. A failure is logged and tried again at the next turn. */
export async function pruneEntriesPeriodically(
  state: RegistrationState,
  log: Logger,
  signal: AbortSignal,
  measure: MeasureWork = (work) => work(),
): Promise<void> {
  while (await sleep(state.clock, pruneIntervalMs, signal)) {
    try {
      await measure(() => pruneEntries(state, log))
    } catch (error) {
      if (signal.aborted) return
      log.error('Failed pruning registration entries', { error: messageOf(error) })
    }
  }
}
