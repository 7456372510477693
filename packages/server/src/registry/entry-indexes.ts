import type { SpiffeId } from '@mini-spire/sdk/spiffe-id'
import type { RegistrationEntry } from '../model/registration-entry.ts'
import type { Selector } from '../model/selector.ts'
import type { EntryFilter } from './entry-filter.ts'
import { MultiMap, PairIndex } from './multi-map.ts'
import type { Candidates } from './record-table.ts'
import type { Row } from './row.ts'

type EntryRow = Row<RegistrationEntry>

/** Entries that expire are kept by the hour in which they do. */
const expiryBucketSeconds = 3600

/** Rows of entries by everything that is asked for: parent, SPIFFE ID, selector, federated trust domain, hint, expiry. */
export class EntryIndexes {
  readonly #byParent = new PairIndex<RegistrationEntry>()
  readonly #bySpiffeId = new PairIndex<RegistrationEntry>()
  readonly #bySelector = new PairIndex<RegistrationEntry>()
  readonly #byFederated = new MultiMap<string, RegistrationEntry>()
  readonly #byHint = new MultiMap<string, RegistrationEntry>()
  readonly #byExpiry = new MultiMap<number, RegistrationEntry>()
  readonly #downstream = new Set<EntryRow>()

  add(row: EntryRow): void {
    const entry = row.value
    this.#byParent.add(entry.parentId.trustDomain.name, entry.parentId.path, row)
    this.#bySpiffeId.add(entry.spiffeId.trustDomain.name, entry.spiffeId.path, row)
    for (const { type, value } of entry.selectors) this.#bySelector.add(type, value, row)
    for (const { name } of entry.federatesWith) this.#byFederated.add(name, row)
    if (entry.hint !== '') this.#byHint.add(entry.hint, row)
    if (entry.downstream) this.#downstream.add(row)
    if (entry.expiresAtSeconds !== 0) this.#byExpiry.add(bucketOf(entry), row)
  }

  /** Takes the row out of every index that has it under this entry's values. */
  delete(row: EntryRow, entry: RegistrationEntry): void {
    this.#byParent.delete(entry.parentId.trustDomain.name, entry.parentId.path, row)
    this.#bySpiffeId.delete(entry.spiffeId.trustDomain.name, entry.spiffeId.path, row)
    for (const { type, value } of entry.selectors) this.#bySelector.delete(type, value, row)
    for (const { name } of entry.federatesWith) this.#byFederated.delete(name, row)
    if (entry.hint !== '') this.#byHint.delete(entry.hint, row)
    if (entry.downstream) this.#downstream.delete(row)
    if (entry.expiresAtSeconds !== 0) this.#byExpiry.delete(bucketOf(entry), row)
  }

  hasChildren(trustDomain: string, path: string): boolean {
    return this.#byParent.has(trustDomain, path)
  }

  children(trustDomain: string, path: string): Iterable<EntryRow> {
    return this.#byParent.get(trustDomain, path)
  }

  withSpiffeId(trustDomain: string, path: string): Iterable<EntryRow> {
    return this.#bySpiffeId.get(trustDomain, path)
  }

  /** Rows that share ID, parent and every selector of an entry, found through the shortest of the three lists. */
  similarCandidates(
    spiffeId: SpiffeId,
    parentId: SpiffeId,
    selectors: readonly Selector[],
  ): Iterable<EntryRow> {
    const lists = [
      pairCandidates(this.#bySpiffeId, spiffeId),
      pairCandidates(this.#byParent, parentId),
      ...this.#selectorLists(selectors),
    ]
    return shortest(lists)?.rows() ?? []
  }

  /** The rows a filter can be answered from, or undefined when only a walk over all of them can. */
  candidates(filter: EntryFilter): Candidates<RegistrationEntry> | undefined {
    const lists: Candidates<RegistrationEntry>[] = []
    if (filter.spiffeId) lists.push(pairCandidates(this.#bySpiffeId, filter.spiffeId))
    if (filter.parentId) lists.push(pairCandidates(this.#byParent, filter.parentId))
    if (filter.hint) lists.push(keyCandidates(this.#byHint, filter.hint))
    if (filter.downstream) {
      lists.push({ size: this.#downstream.size, rows: () => this.#downstream })
    }
    if (filter.selectors) {
      const found = this.#selectorLists(filter.selectors.selectors)
      lists.push(...neededLists(found, filter.selectors.match))
    }
    if (filter.federatesWith) {
      const { match, trustDomains } = filter.federatesWith
      const found = trustDomains.map(({ name }) => keyCandidates(this.#byFederated, name))
      lists.push(...neededLists(found, match))
    }
    return shortest(lists)
  }

  /** Rows whose entries expired before this instant. */
  *expiredBefore(seconds: number): Generator<EntryRow, void> {
    const last = Math.floor(seconds / expiryBucketSeconds)
    for (const bucket of this.#byExpiry.keys()) {
      if (bucket > last) continue
      for (const row of this.#byExpiry.get(bucket)) {
        if (row.value.expiresAtSeconds < seconds) yield row
      }
    }
  }

  #selectorLists(selectors: readonly Selector[]): Candidates<RegistrationEntry>[] {
    return selectors.map(({ type, value }) => ({
      size: this.#bySelector.sizeOf(type, value),
      rows: () => this.#bySelector.get(type, value),
    }))
  }
}

function bucketOf(entry: RegistrationEntry): number {
  return Math.floor(entry.expiresAtSeconds / expiryBucketSeconds)
}

function pairCandidates(
  index: PairIndex<RegistrationEntry>,
  id: SpiffeId,
): Candidates<RegistrationEntry> {
  const { trustDomain, path } = id
  return {
    size: index.sizeOf(trustDomain.name, path),
    rows: () => index.get(trustDomain.name, path),
  }
}

function keyCandidates(
  index: MultiMap<string, RegistrationEntry>,
  key: string,
): Candidates<RegistrationEntry> {
  return { size: index.sizeOf(key), rows: () => index.get(key) }
}

/**
 * For exact and superset a match has every requested element, so each list holds all matches; for subset and any it has
 * at least one, so only all lists together do.
 */
function neededLists(
  lists: readonly Candidates<RegistrationEntry>[],
  match: 'exact' | 'subset' | 'superset' | 'any',
): readonly Candidates<RegistrationEntry>[] {
  if (match === 'exact' || match === 'superset') return lists
  const size = lists.reduce((sum, list) => sum + list.size, 0)
  return [{ size, rows: () => new Set(lists.flatMap((list) => [...list.rows()])) }]
}

function shortest(
  lists: readonly Candidates<RegistrationEntry>[],
): Candidates<RegistrationEntry> | undefined {
  return lists.reduce<Candidates<RegistrationEntry> | undefined>(
    (best, list) => (best === undefined || list.size < best.size ? list : best),
    undefined,
  )
}
