import type { CaJournal } from '../model/authority.ts'
import type { Delete, Store } from '../store/store.ts'
import { caCause, type JournalReader } from './journal.ts'

const marginMs = 14 * 24 * 60 * 60 * 1000

/**
 * Removes the journals of servers that are gone: those in which every authority expired more than 14 days ago.
 *
 * @returns the IDs of those that were removed
 */
export async function pruneJournals(options: {
  readonly journals: JournalReader
  readonly store: Pick<Store, 'commit'>
  readonly nowMs: number
}): Promise<readonly string[]> {
  const expiredBefore = (options.nowMs - marginMs) / 1000
  const dead = [...options.journals.values()].filter((journal) => isDead(journal, expiredBefore))
  if (dead.length === 0) return []
  const outcomes = await options.store.commit(
    dead.map((journal) => ({
      cause: caCause('ca journal prune'),
      mutations: [deletion(journal)],
    })),
  )
  return dead.filter((_, index) => outcomes[index] === undefined).map(({ id }) => id)
}

/** Only if it is unchanged: its server may have come back meanwhile. */
function deletion(journal: CaJournal): Delete<'ca-journal'> {
  return { op: 'delete', kind: 'ca-journal', key: journal.id, expect: { unchanged: journal } }
}

function isDead(journal: CaJournal, expiredBeforeSeconds: number): boolean {
  return [
    ...journal.x509Authorities,
    ...journal.jwtAuthorities,
    ...(journal.witAuthorities ?? []),
  ].every(({ notAfterSeconds }) => notAfterSeconds < expiredBeforeSeconds)
}
