import type { Clock } from '@mini-spire/runtime/clock'
import type { SpiffeId } from '@mini-spire/sdk/spiffe-id'
import type { RegistrationEntry } from '../model/registration-entry.ts'
import type { Selector } from '../model/selector.ts'
import { asBuffer } from '../store/format/binary-reader.ts'
import { BinaryWriter } from '../store/format/binary-writer.ts'
import { EntryLayout } from '../store/format/entry-layout.ts'
import { writeRecord } from '../store/format/record-codec.ts'
import type { AppliedChange } from '../store/store.ts'
import type { AuthorizedEntries } from './authorized-entries.ts'
import { AuthorizedSets } from './authorized-sets.ts'
import { type EntryFilter, entryPredicate } from './entry-filter.ts'
import { EntryIndexes } from './entry-indexes.ts'
import type { EntryRow } from './entry-records.ts'
import { EntryTable } from './entry-table.ts'
import type { NodeRegistry } from './nodes.ts'
import type { PageRequest } from './row-pages.ts'
import { SelectorSet } from './set-match.ts'
import { splitSpiffeId } from './split-spiffe-id.ts'

/** A committed change of an entry. */
export type EntryChange = Extract<AppliedChange, { readonly kind: 'entry' }>

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
  readonly #table = new EntryTable()
  readonly #indexes = new EntryIndexes(this.#table)
  /** Of the record that comes, and of the one that goes. */
  readonly #layout = new EntryLayout()
  readonly #oldLayout = new EntryLayout()
  readonly #writer = new BinaryWriter()
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
    return this.#table.row(id)?.value
  }

  /** Every entry, in creation order. */
  *values(): Generator<RegistrationEntry, void> {
    for (const row of this.#table.pages.rows()) yield row.value
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
    return this.#table.pages.count(entryPredicate(filter), this.#indexes.candidates(filter))
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
    const page = this.#table.pages.page(request, entryPredicate(filter), candidates)
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
  apply(change: EntryChange): void {
    this.#table.pages.setEpoch(change.position.epoch)
    const encoded = change.encoded ?? (change.value && this.#encode(change.value))
    if (encoded === undefined) {
      const row = this.#table.row(change.key)
      if (row !== undefined) this.#delete(row)
      return
    }
    const layout = this.#layout.read(asBuffer(encoded), 0, encoded.length)
    if (this.#insert(layout, change.createdRevision)) return
    const row = this.#table.rowOf(layout)
    if (row === undefined) return
    if (row.ordinal === change.createdRevision) {
      this.#update(row, layout)
      return
    }
    this.#delete(row)
    this.#insert(layout, change.createdRevision)
  }

  #encode(value: RegistrationEntry): Uint8Array {
    this.#writer.reset()
    writeRecord(this.#writer, 'entry', value)
    return this.#writer.view()
  }

  #update(row: EntryRow, layout: EntryLayout): void {
    const before = row.value
    this.#indexes.delete(row, this.#table.layoutOf(row, this.#oldLayout))
    this.#table.update(row, layout)
    this.#indexes.add(row, layout)
    this.#authorized.entryUpdated(row, before)
  }

  #delete(row: EntryRow): void {
    this.#indexes.delete(row, this.#table.layoutOf(row, this.#oldLayout))
    this.#table.delete(row)
    this.#authorized.entryDeleted(row)
  }

  /** Adds an entry, unless there is one with its ID. */
  #insert(layout: EntryLayout, ordinal: number): boolean {
    const row = this.#table.insert(layout, ordinal)
    if (row === undefined) return false
    this.#indexes.add(row, layout)
    this.#authorized.entryCreated(row, layout)
    return true
  }
}
