import { CreationOrder } from './creation-order.ts'
import { pageTokenOf, parsePageToken } from './page-token.ts'
import { Row } from './row.ts'

/** Which page of a list is wanted. */
export interface PageRequest {
  /** 0 or less: everything at once; the token is then ignored. */
  readonly pageSize?: number | undefined
  /** What the page before said; empty: the first page. */
  readonly pageToken?: string | undefined
}

/** A page of records in creation order. */
export interface Page<Value> {
  readonly items: readonly Value[]
  /** Empty for an unpaged list and for the empty page that ends a paged one. */
  readonly nextPageToken: string
}

/** Rows that an index offers instead of all rows, in any order; every one still has to pass the filter. */
export interface Candidates<Value> {
  /** How many there are, at most. */
  readonly size: number
  readonly rows: () => Iterable<Row<Value>>
}

/** Records of one kind by key, and in creation order. */
export class RecordTable<Value> {
  readonly #list: string
  readonly #rows = new Map<string, Row<Value>>()
  readonly #order = new CreationOrder<Value>()
  #epoch = ''

  /** @param list the noun, part of page tokens */
  constructor(list: string) {
    this.#list = list
  }

  get size(): number {
    return this.#rows.size
  }

  row(key: string): Row<Value> | undefined {
    return this.#rows.get(key)
  }

  find(key: string): Value | undefined {
    return this.#rows.get(key)?.value
  }

  /** Every record, in creation order. */
  *values(): Generator<Value, void> {
    for (const row of this.#order.after(-1)) yield row.value
  }

  /** The history that page tokens are tied to. */
  setEpoch(epoch: string): void {
    this.#epoch = epoch
  }

  /** Adds a record that is not there yet. */
  insert(key: string, value: Value, ordinal: number): Row<Value> {
    const row = new Row(value, ordinal)
    this.#order.append(row)
    this.#rows.set(key, row)
    return row
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
    this.delete(key)
    if (value !== undefined) this.insert(key, value, ordinal)
  }

  delete(key: string): void {
    const row = this.#rows.get(key)
    if (row === undefined) return
    this.#rows.delete(key)
    this.#order.delete(row)
  }

  /**
   * Cuts a page out of the rows that pass the filter.
   *
   * Every page that has rows carries a token, the last one too; an empty page without token ends the list (as SPIRE's
   * lists do).
   *
   * @throws {RegistryError} `ERR_PAGE_TOKEN`
   */
  page(
    request: PageRequest,
    passes?: (value: Value) => boolean,
    candidates?: Candidates<Value>,
  ): Page<Value> {
    const pageSize = request.pageSize ?? 0
    if (pageSize <= 0) {
      return {
        items: this.#select(-1, Number.MAX_SAFE_INTEGER, passes, candidates).map(recordOf),
        nextPageToken: '',
      }
    }
    const scope = { list: this.#list, epoch: this.#epoch }
    const token = request.pageToken ?? ''
    const after = token === '' ? -1 : parsePageToken(scope, token)
    const rows = this.#select(after, pageSize, passes, candidates)
    const last = rows.at(-1)
    return {
      items: rows.map(recordOf),
      nextPageToken: last === undefined ? '' : pageTokenOf(scope, last.ordinal),
    }
  }

  /** How many rows pass the filter. */
  count(passes?: (value: Value) => boolean, candidates?: Candidates<Value>): number {
    if (passes === undefined) return this.size
    let count = 0
    for (const row of candidates?.rows() ?? this.#rows.values()) if (passes(row.value)) count++
    return count
  }

  #select(
    after: number,
    limit: number,
    passes: ((value: Value) => boolean) | undefined,
    candidates: Candidates<Value> | undefined,
  ): readonly Row<Value>[] {
    if (candidates !== undefined && this.#isIndexCheaper(candidates.size, limit)) {
      return [...candidates.rows()]
        .filter((row) => row.ordinal > after && (passes?.(row.value) ?? true))
        .sort((a, b) => a.ordinal - b.ordinal)
        .slice(0, limit)
    }
    const selected: Row<Value>[] = []
    for (const row of this.#order.after(after)) {
      if (passes !== undefined && !passes(row.value)) continue
      selected.push(row)
      if (selected.length >= limit) break
    }
    return selected
  }

  /**
   * Sorting all candidates for every page of a long list would make listing quadratic; walking all rows for a few
   * candidates would be wasteful. Compares what either is expected to touch.
   */
  #isIndexCheaper(candidates: number, limit: number): boolean {
    const sorted = candidates * Math.log2(candidates + 2)
    const walked = (this.size * Math.min(limit, candidates)) / Math.max(candidates, 1)
    return sorted <= Math.max(walked, 64)
  }
}

function recordOf<Value>(row: Row<Value>): Value {
  return row.value
}
