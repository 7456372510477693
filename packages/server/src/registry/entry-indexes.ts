import type { SpiffeId } from '@mini-spire/sdk/spiffe-id'
import type { RegistrationEntry } from '../model/registration-entry.ts'
import type { Selector } from '../model/selector.ts'
import { isSameSpan } from '../packed/spans.ts'
import type { EntryLayout } from '../store/format/entry-layout.ts'
import type { EntryFilter } from './entry-filter.ts'
import type { EntryRow } from './entry-records.ts'
import type { EntryTable } from './entry-table.ts'
import { MultiMap } from './multi-map.ts'
import type { Row } from './row.ts'
import type { Candidates } from './row-pages.ts'
import { SpanIndex } from './span-index.ts'

/** Entries that expire are kept by the hour in which they do. */
const expiryBucketSeconds = 3600

/** Rows of entries by everything that is asked for: parent, SPIFFE ID, selector, federated trust domain, hint, expiry. */
export class EntryIndexes {
  readonly #byParent: SpanIndex
  readonly #bySpiffeId: SpanIndex
  readonly #bySelector: SpanIndex
  readonly #byFederated = new MultiMap<string, RegistrationEntry>()
  readonly #byHint = new MultiMap<string, RegistrationEntry>()
  readonly #byExpiry = new MultiMap<number, RegistrationEntry>()
  readonly #downstream = new Set<EntryRow>()

  constructor(table: EntryTable) {
    this.#byParent = new SpanIndex((row, bytes, start, end) => {
      const { bytes: own, parentStart, parentEnd } = table.idsOf(row)
      return isSameSpan(own, parentStart, parentEnd, bytes, start, end)
    })
    this.#bySpiffeId = new SpanIndex((row, bytes, start, end) => {
      const { bytes: own, spiffeIdStart, spiffeIdEnd } = table.idsOf(row)
      return isSameSpan(own, spiffeIdStart, spiffeIdEnd, bytes, start, end)
    })
    this.#bySelector = new SpanIndex((row, bytes, start, end) => {
      const { bytes: own, selectors } = table.selectorsOf(row)
      for (let index = 0; index + 1 < selectors.length; index++) {
        const [from, to] = [selectors[index] ?? 0, selectors[index + 1] ?? 0]
        if (isSameSpan(own, from, to, bytes, start, end)) return true
      }
      return false
    })
  }

  /** @param layout of the row's record */
  add(row: EntryRow, layout: EntryLayout): void {
    const { bytes, selectors } = layout
    this.#byParent.add(bytes, layout.parentStart, layout.parentEnd, row)
    this.#bySpiffeId.add(bytes, layout.spiffeIdStart, layout.spiffeIdEnd, row)
    for (let index = 0; index + 1 < selectors.length; index++) {
      this.#bySelector.add(bytes, selectors[index] ?? 0, selectors[index + 1] ?? 0, row)
    }
    if (layout.isDownstream) this.#downstream.add(row)
    if (layout.expiresAtSeconds !== 0) this.#byExpiry.add(bucketOf(layout), row)
    if (layout.hasHint) this.#byHint.add(row.value.hint, row)
    if (!layout.isFederated) return
    for (const { name } of row.value.federatesWith) this.#byFederated.add(name, row)
  }

  /** Takes the row out of every index; its record must still be the one that it was added with. */
  delete(row: EntryRow, layout: EntryLayout): void {
    const { bytes, selectors } = layout
    this.#byParent.delete(bytes, layout.parentStart, layout.parentEnd, row)
    this.#bySpiffeId.delete(bytes, layout.spiffeIdStart, layout.spiffeIdEnd, row)
    for (let index = 0; index + 1 < selectors.length; index++) {
      this.#bySelector.delete(bytes, selectors[index] ?? 0, selectors[index + 1] ?? 0, row)
    }
    if (layout.isDownstream) this.#downstream.delete(row)
    if (layout.expiresAtSeconds !== 0) this.#byExpiry.delete(bucketOf(layout), row)
    if (layout.hasHint) this.#byHint.delete(row.value.hint, row)
    if (!layout.isFederated) return
    for (const { name } of row.value.federatesWith) this.#byFederated.delete(name, row)
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
  ): Iterable<Row<RegistrationEntry>> {
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
  *expiredBefore(seconds: number): Generator<Row<RegistrationEntry>, void> {
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

function bucketOf(entry: { readonly expiresAtSeconds: number }): number {
  return Math.floor(entry.expiresAtSeconds / expiryBucketSeconds)
}

function pairCandidates(index: SpanIndex, id: SpiffeId): Candidates<RegistrationEntry> {
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
