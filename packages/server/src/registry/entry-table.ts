import type { RegistrationEntry } from '../model/registration-entry.ts'
import { KeyTable } from '../packed/key-table.ts'
import { isSameSpan } from '../packed/spans.ts'
import { BinaryWriter } from '../store/format/binary-writer.ts'
import type { EntryLayout } from '../store/format/entry-layout.ts'
import { EntryRecords, EntryRow, usualKeptObjects } from './entry-records.ts'
import { RowPages } from './row-pages.ts'

/** The entries by ID, and in creation order. */
export class EntryTable {
  readonly pages: RowPages<RegistrationEntry, EntryRow> = new RowPages('entries')
  readonly #records: EntryRecords
  readonly #byId = new KeyTable<EntryRow>((row, bytes, start, end) => {
    const { bytes: own, idStart, idEnd } = this.idsOf(row)
    return isSameSpan(own, idStart, idEnd, bytes, start, end)
  })
  readonly #key = new BinaryWriter()

  /** @param keptObjects how many entries are kept as objects at least once they have been read */
  constructor(keptObjects: number = usualKeptObjects) {
    this.#records = new EntryRecords((layout) => this.rowOf(layout), keptObjects)
  }

  get size(): number {
    return this.pages.size
  }

  row(id: string): EntryRow | undefined {
    this.#key.reset()
    this.#key.string(id)
    return this.#byId.get(this.#key.view(), 0, this.#key.length)
  }

  /** The row with the ID of an encoded entry. */
  rowOf(layout: EntryLayout): EntryRow | undefined {
    return this.#byId.get(layout.bytes, layout.idStart, layout.idEnd)
  }

  /** Where the fields of a row's record are; without a layout of the caller's own it is good until the next call. */
  layoutOf(row: EntryRow, layout?: EntryLayout): EntryLayout {
    return this.#records.layoutOf(row, layout)
  }

  /** As {@link EntryTable.layoutOf}, of the IDs only. */
  idsOf(row: EntryRow): EntryLayout {
    return this.#records.idsOf(row)
  }

  /** As {@link EntryTable.layoutOf}, of the IDs and selectors only. */
  selectorsOf(row: EntryRow): EntryLayout {
    return this.#records.selectorsOf(row)
  }

  /** Adds an encoded entry; undefined when there is one with its ID. */
  insert(layout: EntryLayout, ordinal: number): EntryRow | undefined {
    const place = this.#byId.find(layout.bytes, layout.idStart, layout.idEnd)
    if (place >= 0) return undefined
    const row = new EntryRow(this.#records, this.#records.add(layout), ordinal)
    this.pages.append(row)
    this.#byId.put(place, row)
    return row
  }

  /** Puts another record in a row's place. */
  update(row: EntryRow, layout: EntryLayout): void {
    const before = row.position
    row.position = this.#records.add(layout)
    row.object = undefined
    this.#records.free(before)
  }

  delete(row: EntryRow): void {
    const { bytes, idStart, idEnd } = this.layoutOf(row)
    const place = this.#byId.find(bytes, idStart, idEnd)
    if (place >= 0) this.#byId.delete(place)
    this.pages.delete(row)
    row.object = row.value
    this.#records.remove(row)
  }
}
