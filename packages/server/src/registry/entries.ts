import type { Clock } from '@mini-spire/runtime/clock'
import type { SpiffeId } from '@mini-spire/sdk/spiffe-id'
import type { RegistrationEntry } from '../model/registration-entry.ts'
import type { Selector } from '../model/selector.ts'
import type { AuthorizedEntries } from './authorized-entries.ts'
import { AuthorizedSets } from './authorized-sets.ts'
import { EntryCompactor } from './compact-entry.ts'
import { type EntryFilter, entryPredicate } from './entry-filter.ts'
import { EntryIndexes } from './entry-indexes.ts'
import type { NodeRegistry } from './nodes.ts'
import { type PageRequest, RecordTable } from './record-table.ts'
import type { Row } from './row.ts'
import { SelectorSet } from './set-match.ts'
import { splitSpiffeId } from './split-spiffe-id.ts'

/** A filtered page of entries. */
export interface ListEntriesRequest extends PageRequest {
  readonly filter?: EntryFilter | undefined
}

/** A page of entries in creation order. */
export interface EntryPage {
  readonly entries: readonly RegistrationEntry[]
  readonly nextPageToken: string
}

/** The registration entries: every question is answered from memory, the latest commit included. */
export class EntryRegistry {
  readonly #table = new RecordTable<RegistrationEntry>('entries')
  readonly #indexes = new EntryIndexes()
  readonly #compactor = new EntryCompactor()
  readonly #authorized: AuthorizedSets

  constructor(nodes: NodeRegistry, clock: Clock) {
    this.#authorized = new AuthorizedSets({
      rows: this.#table,
      indexes: this.#indexes,
      nodes,
      clock,
    })
  }

  get size(): number {
    return this.#table.size
  }

  find(id: string): RegistrationEntry | undefined {
    return this.#table.find(id)
  }

  /** Every entry, in creation order. */
  values(): Iterable<RegistrationEntry> {
    return this.#table.values()
  }

  /** The first entry with the same SPIFFE ID, parent ID and set of selectors, whatever else differs. */
  findSimilar(
    spiffeId: SpiffeId,
    parentId: SpiffeId,
    selectors: readonly Selector[],
  ): RegistrationEntry | undefined {
    const wanted = new SelectorSet(selectors)
    let first: { readonly value: RegistrationEntry; readonly ordinal: number } | undefined
    for (const row of this.#indexes.similarCandidates(spiffeId, parentId, selectors)) {
      const entry = row.value
      const isSimilar =
        entry.spiffeId.equals(spiffeId) &&
        entry.parentId.equals(parentId) &&
        wanted.isMatchedBy(entry.selectors, 'exact')
      if (isSimilar && (first === undefined || row.ordinal < first.ordinal)) first = row
    }
    return first?.value
  }

  /** Entries with this SPIFFE ID, in creation order. A text that is no SPIFFE ID finds nothing. */
  findBySpiffeId(spiffeId: string): readonly RegistrationEntry[] {
    const parts = splitSpiffeId(spiffeId)
    if (parts === undefined) return []
    return [...this.#indexes.withSpiffeId(parts.trustDomain, parts.path)]
      .sort((a, b) => a.ordinal - b.ordinal)
      .map((row) => row.value)
  }

  count(filter: EntryFilter = {}): number {
    return this.#table.count(entryPredicate(filter), this.#indexes.candidates(filter))
  }

  /**
   * A page of the entries that pass the filter, in creation order. Pages are full, whatever the filter; an empty page
   * without token ends the list.
   *
   * @throws {RegistryError} `ERR_PAGE_TOKEN`
   */
  list(request: ListEntriesRequest = {}): EntryPage {
    const filter = request.filter ?? {}
    const candidates = this.#indexes.candidates(filter)
    const page = this.#table.page(request, entryPredicate(filter), candidates)
    return { entries: page.items, nextPageToken: page.nextPageToken }
  }

  /** Entries that have an expiry and passed it before this instant, in no particular order. */
  expiredBefore(seconds: number): readonly RegistrationEntry[] {
    return Array.from(this.#indexes.expiredBefore(seconds), (row) => row.value)
  }

  /** What an agent may sign for. See {@link AuthorizedEntries} for what it includes and how long it holds. */
  authorizedFor(agentId: string): AuthorizedEntries {
    return this.#authorized.authorizedFor(agentId)
  }

  /** Another number whenever a node alias has come, changed or gone: the sets of any agents may then be others. */
  get aliasVersion(): number {
    return this.#authorized.aliasVersion
  }

  /** For the registry: an attested node was added, changed or removed. */
  nodeChanged(agentId: string): void {
    this.#authorized.nodeChanged(agentId)
  }

  /** For the registry: applies one committed change. */
  apply(id: string, value: RegistrationEntry | undefined, ordinal: number, epoch: string): void {
    this.#table.setEpoch(epoch)
    const row = this.#table.row(id)
    if (value !== undefined && row?.ordinal === ordinal) {
      this.#update(row, value)
      return
    }
    if (row !== undefined) this.#delete(row)
    if (value !== undefined) this.#insert(value, ordinal)
  }

  #update(row: Row<RegistrationEntry>, value: RegistrationEntry): void {
    const before = row.value
    this.#indexes.delete(row, before)
    row.value = this.#compactor.compact(value)
    this.#indexes.add(row)
    this.#authorized.entryUpdated(row, before)
  }

  #delete(row: Row<RegistrationEntry>): void {
    this.#indexes.delete(row, row.value)
    this.#table.delete(row.value.id)
    this.#authorized.entryDeleted(row)
  }

  #insert(value: RegistrationEntry, ordinal: number): void {
    const row = this.#table.insert(value.id, this.#compactor.compact(value), ordinal)
    this.#indexes.add(row)
    this.#authorized.entryCreated(row)
  }
}
