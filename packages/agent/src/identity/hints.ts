import type { Logger } from '@mini-spire/runtime/log/logger'
import type { AgentEntry } from '../model/agent-entry.ts'

/** Leaves of those with the same hint only the one whose entry is oldest; those without a hint all stay, in their order. */
export function withoutHintClashes<T>(
  items: readonly T[],
  entryOf: (item: T) => AgentEntry,
  log: Logger,
): readonly T[] {
  const winners = new Map<string, T>()
  let hasClash = false
  for (const item of items) {
    const entry = entryOf(item)
    if (entry.hint === '') continue
    const other = winners.get(entry.hint)
    if (other !== undefined) hasClash = true
    if (other === undefined || isOlder(entry, entryOf(other))) winners.set(entry.hint, item)
  }
  if (!hasClash) return items
  return items.filter((item) => {
    const { hint, id } = entryOf(item)
    const isKept = hint === '' || winners.get(hint) === item
    if (!isKept) log.warn('Ignoring entry with duplicate hint', { hint, registration_entry_id: id })
    return isKept
  })
}

function isOlder(a: AgentEntry, b: AgentEntry): boolean {
  if (a.createdAtSeconds !== b.createdAtSeconds) return a.createdAtSeconds < b.createdAtSeconds
  return a.id < b.id
}
