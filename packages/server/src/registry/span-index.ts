import { KeyTable } from '../packed/key-table.ts'
import { BinaryWriter } from '../store/format/binary-writer.ts'
import type { EntryRow } from './entry-records.ts'
import { anyOf, countOf, type HeldRows, rowsOf, withoutRow, withRow } from './held-rows.ts'

/**
 * Rows of entries by two strings that stand side by side in their records, such as trust domain name and path, or selector type
 * and value. The index has no strings of its own.
 */
export class SpanIndex {
  readonly #table: KeyTable<HeldRows<EntryRow>>
  readonly #key = new BinaryWriter()

  /** @param holds whether a row's record has these bytes where this index looks */
  constructor(holds: (row: EntryRow, bytes: Uint8Array, start: number, end: number) => boolean) {
    this.#table = new KeyTable((held, bytes, start, end) => {
      const row = anyOf(held)
      return row !== undefined && holds(row, bytes, start, end)
    })
  }

  add(bytes: Uint8Array, start: number, end: number, row: EntryRow): void {
    const place = this.#table.find(bytes, start, end)
    this.#table.put(place, withRow(place < 0 ? undefined : this.#table.at(place), row))
  }

  delete(bytes: Uint8Array, start: number, end: number, row: EntryRow): void {
    const place = this.#table.find(bytes, start, end)
    const held = place < 0 ? undefined : this.#table.at(place)
    if (held === undefined) return
    const left = withoutRow(held, row)
    if (left === undefined) this.#table.delete(place)
    else this.#table.put(place, left)
  }

  has(first: string, second: string): boolean {
    return this.#held(first, second) !== undefined
  }

  get(first: string, second: string): Iterable<EntryRow> {
    return rowsOf(this.#held(first, second))
  }

  sizeOf(first: string, second: string): number {
    return countOf(this.#held(first, second))
  }

  #held(first: string, second: string): HeldRows<EntryRow> | undefined {
    this.#key.reset()
    this.#key.string(first)
    this.#key.string(second)
    return this.#table.get(this.#key.view(), 0, this.#key.length)
  }
}
