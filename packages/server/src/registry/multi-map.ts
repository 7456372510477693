import { countOf, type HeldRows, rowsOf, withoutRow, withRow } from './held-rows.ts'
import type { Row } from './row.ts'

/** Rows by a key that many of them may have. */
export class MultiMap<Key, Value> {
  readonly #held = new Map<Key, HeldRows<Row<Value>>>()

  add(key: Key, row: Row<Value>): void {
    this.#held.set(key, withRow(this.#held.get(key), row))
  }

  delete(key: Key, row: Row<Value>): void {
    const held = this.#held.get(key)
    const left = held === undefined ? undefined : withoutRow(held, row)
    if (left === undefined) this.#held.delete(key)
    else this.#held.set(key, left)
  }

  get(key: Key): Iterable<Row<Value>> {
    return rowsOf(this.#held.get(key))
  }

  sizeOf(key: Key): number {
    return countOf(this.#held.get(key))
  }

  /** How many keys have rows. */
  get size(): number {
    return this.#held.size
  }

  keys(): IterableIterator<Key> {
    return this.#held.keys()
  }
}

/**
 * Rows by two strings, such as selector type and value. Two levels instead of one joined key: the second string is the
 * record's own, so the index costs no memory for keys.
 */
export class PairIndex<Value> {
  readonly #byFirst = new Map<string, MultiMap<string, Value>>()

  add(first: string, second: string, row: Row<Value>): void {
    let rows = this.#byFirst.get(first)
    if (rows === undefined) {
      rows = new MultiMap()
      this.#byFirst.set(first, rows)
    }
    rows.add(second, row)
  }

  delete(first: string, second: string, row: Row<Value>): void {
    const rows = this.#byFirst.get(first)
    rows?.delete(second, row)
    if (rows?.size === 0) this.#byFirst.delete(first)
  }

  get(first: string, second: string): Iterable<Row<Value>> {
    return this.#byFirst.get(first)?.get(second) ?? []
  }
}
