import type { Row } from './row.ts'
import { type Page, type PageRequest, RowPages } from './row-pages.ts'

/** A row whose record is replaced in place by an update: an index whose key has not changed need not be touched. */
interface HeldRow<Value> extends Row<Value> {
  value: Value
}

/** Records of one kind by key, and in creation order. */
export class RecordTable<Value> {
  readonly #rows = new Map<string, HeldRow<Value>>()
  readonly #pages: RowPages<Value, HeldRow<Value>>

  /** @param list the noun, part of page tokens */
  constructor(list: string) {
    this.#pages = new RowPages(list)
  }

  get size(): number {
    return this.#rows.size
  }

  find(key: string): Value | undefined {
    return this.#rows.get(key)?.value
  }

  /** Every record, in creation order. */
  *values(): Generator<Value, void> {
    for (const row of this.#pages.rows()) yield row.value
  }

  /** The history that page tokens are tied to. */
  setEpoch(epoch: string): void {
    this.#pages.setEpoch(epoch)
  }

  /**
   * Puts a record where a committed change says it is: in place of the one it updates, or at the end when it was created anew
   * since.
   */
  apply(key: string, value: Value | undefined, ordinal: number): void {
    const row = this.#rows.get(key)
    if (value !== undefined && row?.ordinal === ordinal) {
      row.value = value
      return
    }
    if (row !== undefined) {
      this.#rows.delete(key)
      this.#pages.delete(row)
    }
    if (value !== undefined) this.#insert(key, { value, ordinal })
  }

  /** As {@link RowPages.page}. */
  page(request: PageRequest, passes?: (value: Value) => boolean): Page<Value> {
    return this.#pages.page(request, passes)
  }

  /** How many records pass the filter. */
  count(passes?: (value: Value) => boolean): number {
    return this.#pages.count(passes)
  }

  #insert(key: string, row: HeldRow<Value>): void {
    this.#pages.append(row)
    this.#rows.set(key, row)
  }
}
