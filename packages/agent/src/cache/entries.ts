import type { AgentEntry } from '../model/agent-entry.ts'
import { selectorKey } from '../model/selector.ts'
import type { SelectorSet } from '../model/selector-set.ts'

interface Record {
  readonly entry: AgentEntry
  readonly keys: readonly string[]
  /** The one selector under which the entry is found. */
  readonly bucket: string
}

/** What {@link Entries.replace} found. */
export interface EntryChanges {
  readonly created: readonly AgentEntry[]
  readonly removed: readonly AgentEntry[]
  /** Before and after; only those that differ in something. */
  readonly updated: readonly { readonly before: AgentEntry; readonly after: AgentEntry }[]
}

/**
 * The entries that this agent serves, found by a workload's selectors.
 *
 * An entry matches only when all its selectors are there, so each is kept under one of them, the one that fewest share: a
 * look-up sees little more than what matches, however many entries there are.
 */
export class Entries {
  readonly #records = new Map<string, Record>()
  readonly #buckets = new Map<string, Map<string, Record>>()

  get size(): number {
    return this.#records.size
  }

  find(id: string): AgentEntry | undefined {
    return this.#records.get(id)?.entry
  }

  *values(): IterableIterator<AgentEntry> {
    for (const record of this.#records.values()) yield record.entry
  }

  /** Whether an entry is for a workload with these selectors. */
  matches(id: string, set: SelectorSet): boolean {
    const record = this.#records.get(id)
    return record !== undefined && set.includesAll(record.keys)
  }

  /** The entries for a workload, ascending by ID: the first is its default identity. */
  matching(set: SelectorSet): readonly AgentEntry[] {
    const found: AgentEntry[] = []
    for (const key of set.keys()) {
      const bucket = this.#buckets.get(key)
      if (!bucket) continue
      for (const record of bucket.values())
        if (set.includesAll(record.keys)) found.push(record.entry)
    }
    return found.length > 1 ? found.sort(byId) : found
  }

  /** Takes these for all entries there are. */
  replace(entries: ReadonlyMap<string, AgentEntry>): EntryChanges {
    const created: AgentEntry[] = []
    const removed: AgentEntry[] = []
    const updated: { before: AgentEntry; after: AgentEntry }[] = []
    for (const { entry } of [...this.#records.values()]) {
      if (entries.has(entry.id)) continue
      this.#remove(entry.id)
      removed.push(entry)
    }
    for (const after of entries.values()) {
      const before = this.#records.get(after.id)?.entry
      if (before === after) continue
      this.#remove(after.id)
      this.#add(after)
      if (before) updated.push({ before, after })
      else created.push(after)
    }
    return { created, removed, updated }
  }

  #add(entry: AgentEntry): void {
    const keys = entry.selectors.map(selectorKey)
    const record = { entry, keys, bucket: this.#emptiestBucket(keys) }
    this.#records.set(entry.id, record)
    const bucket = this.#buckets.get(record.bucket)
    if (bucket) bucket.set(entry.id, record)
    else this.#buckets.set(record.bucket, new Map([[entry.id, record]]))
  }

  #remove(id: string): void {
    const record = this.#records.get(id)
    if (!record) return
    this.#records.delete(id)
    const bucket = this.#buckets.get(record.bucket)
    bucket?.delete(id)
    if (bucket?.size === 0) this.#buckets.delete(record.bucket)
  }

  #emptiestBucket(keys: readonly string[]): string {
    let best = ''
    let bestSize = Number.POSITIVE_INFINITY
    for (const key of keys) {
      const size = this.#buckets.get(key)?.size ?? 0
      if (size >= bestSize) continue
      best = key
      bestSize = size
    }
    return best
  }
}

function byId(a: AgentEntry, b: AgentEntry): number {
  return a.id < b.id ? -1 : a.id > b.id ? 1 : 0
}
