import type { Row } from './row.ts'

/** From here on a list becomes a set: removing from a longer list would cost more than the set's memory. */
const longestList = 16

type Held<Item> = Item | Item[] | Set<Item>

/**
 * Many rows per key, compactly: most keys have one row, which then needs no container; the few with many have a set, so
 * that removing one of 100,000 rows of a key stays cheap.
 */
export class MultiMap<Key, Value> {
  readonly #held = new Map<Key, Held<Row<Value>>>()

  add(key: Key, row: Row<Value>): void {
    const held = this.#held.get(key)
    if (held === undefined) this.#held.set(key, row)
    else if (held instanceof Set) held.add(row)
    else if (!Array.isArray(held)) this.#held.set(key, [held, row])
    else if (held.length < longestList) held.push(row)
    else this.#held.set(key, new Set(held).add(row))
  }

  delete(key: Key, row: Row<Value>): void {
    const held = this.#held.get(key)
    if (held === undefined) return
    if (held instanceof Set) {
      held.delete(row)
      if (held.size === 0) this.#held.delete(key)
    } else if (Array.isArray(held)) {
      const at = held.indexOf(row)
      if (at >= 0) held.splice(at, 1)
      if (held.length === 0) this.#held.delete(key)
    } else if (held === row) {
      this.#held.delete(key)
    }
  }

  has(key: Key): boolean {
    return this.#held.has(key)
  }

  get(key: Key): Iterable<Row<Value>> {
    const held = this.#held.get(key)
    if (held === undefined) return []
    return held instanceof Set || Array.isArray(held) ? held : [held]
  }

  sizeOf(key: Key): number {
    const held = this.#held.get(key)
    if (held === undefined) return 0
    if (held instanceof Set) return held.size
    return Array.isArray(held) ? held.length : 1
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
 * Rows by two strings, such as trust domain name and path, or selector type and value. Two levels instead of one joined
 * key: the second string is the record's own, so the index costs no memory for keys.
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

  has(first: string, second: string): boolean {
    return this.#byFirst.get(first)?.has(second) ?? false
  }

  get(first: string, second: string): Iterable<Row<Value>> {
    return this.#byFirst.get(first)?.get(second) ?? []
  }

  sizeOf(first: string, second: string): number {
    return this.#byFirst.get(first)?.sizeOf(second) ?? 0
  }
}
