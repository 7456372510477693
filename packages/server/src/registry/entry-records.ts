import type { RegistrationEntry } from '../model/registration-entry.ts'
import { ByteHeap } from '../packed/byte-heap.ts'
import { EntryLayout } from '../store/format/entry-layout.ts'
import { IdReader } from '../store/format/id-codec.ts'
import { readRecord } from '../store/format/record-codec.ts'
import type { Row } from './row.ts'

/** Entries that were read lately, more than once, and are kept as objects: between one and two times so many, some 500 bytes each. */
export const usualKeptObjects: number = 50_000

/** Removed rows that lie among those, as a part of how many are kept, before they are looked for. */
const removedPart = 1 / 50

/** The position of a record that was removed. */
export const gone: number = -1

/** A row of the entries. Its record is kept as the store has it, a fifth of the object's size, and read when it is asked for. */
export class EntryRow implements Row<RegistrationEntry> {
  readonly ordinal: number
  /** Where {@link EntryRecords} has the record; {@link gone} when it was removed. Then the object is kept for who has the row. */
  position: number
  /** The record as an object, while it is kept. */
  object: RegistrationEntry | undefined = undefined
  /** Whether it was read before: the next time it is kept. */
  wasRead = false
  readonly #records: EntryRecords

  constructor(records: EntryRecords, position: number, ordinal: number) {
    this.#records = records
    this.position = position
    this.ordinal = ordinal
  }

  get value(): RegistrationEntry {
    return this.object ?? this.#records.read(this)
  }
}

/** The encoded records of the entries, and those of them that are kept as objects. */
export class EntryRecords {
  readonly #heap: ByteHeap
  readonly #ids = new IdReader()
  readonly #layout = new EntryLayout()
  readonly #movedLayout = new EntryLayout()
  readonly #keptObjects: number
  #lately: EntryRow[] = []
  #before: EntryRow[] = []
  /** Rows that were removed since these were looked through for them. */
  #removed = 0

  /** @param rowOf finds the row of a record by its bytes: its own have moved */
  constructor(rowOf: (layout: EntryLayout) => EntryRow | undefined, keptObjects: number) {
    this.#keptObjects = keptObjects
    this.#heap = new ByteHeap((from, to, bytes, start, end) => {
      const row = rowOf(this.#movedLayout.readIds(bytes, start, end))
      if (row?.position !== from) throw new Error('a record has moved that no row has')
      row.position = to
    })
  }

  add(layout: EntryLayout): number {
    return this.#heap.add(layout.bytes, layout.start, layout.end)
  }

  free(position: number): void {
    this.#heap.free(position)
  }

  /**
   * Lets a row's record go; the object is for who has the row, and not kept for having been read. Rows are looked for among those that are
   * when so many were removed that it costs each of them little.
   */
  remove(row: EntryRow): void {
    this.free(row.position)
    row.position = gone
    this.#removed++
    const kept = this.#lately.length + this.#before.length
    if (this.#removed < Math.max(this.#keptObjects * removedPart, kept / 2)) return
    const isThere = ({ position }: EntryRow): boolean => position !== gone
    this.#lately = this.#lately.filter(isThere)
    this.#before = this.#before.filter(isThere)
    this.#removed = 0
  }

  /** Where a row's fields are; without a layout of the caller's own it is good until the next call. */
  layoutOf({ position }: EntryRow, layout: EntryLayout = this.#layout): EntryLayout {
    const heap = this.#heap
    return layout.read(heap.bytesOf(position), heap.startOf(position), heap.endOf(position))
  }

  /** As {@link EntryRecords.layoutOf}, of the IDs only. */
  idsOf({ position }: EntryRow): EntryLayout {
    const heap = this.#heap
    const layout = this.#layout
    return layout.readIds(heap.bytesOf(position), heap.startOf(position), heap.endOf(position))
  }

  /** As {@link EntryRecords.layoutOf}, of the IDs and selectors only. */
  selectorsOf({ position }: EntryRow): EntryLayout {
    const heap = this.#heap
    const layout = this.#layout
    return layout.readSelectors(
      heap.bytesOf(position),
      heap.startOf(position),
      heap.endOf(position),
    )
  }

  /** The record as an object, which is kept for a while: one that is written and read once, as in an import, is not. */
  read(row: EntryRow): RegistrationEntry {
    const { position } = row
    const heap = this.#heap
    const bytes = heap.bytesOf(position).subarray(heap.startOf(position), heap.endOf(position))
    const object = readRecord('entry', bytes, this.#ids)
    if (row.wasRead) this.#keep(row, object)
    row.wasRead = true
    return object
  }

  #keep(row: EntryRow, object: RegistrationEntry): void {
    row.object = object
    this.#lately.push(row)
    if (this.#lately.length >= this.#keptObjects) this.#forget()
  }

  /** What was read before the last so many is read anew when it is asked for again. */
  #forget(): void {
    for (const row of this.#before) if (row.position !== gone) row.object = undefined
    this.#before = this.#lately
    this.#lately = []
  }
}
