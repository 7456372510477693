import { OrderedRows } from './ordered-rows.ts'
import { pageTokenOf, parsePageToken } from './page-token.ts'
import type { Row } from './row.ts'

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

/** Rows in creation order, and pages cut out of them. */
export class RowPages<Value, Kept extends Row<Value>> {
  readonly #list: string
  readonly #order = new OrderedRows<Kept>()
  #epoch = ''

  /** @param list the noun, part of page tokens */
  constructor(list: string) {
    this.#list = list
  }

  get size(): number {
    return this.#order.size
  }

  /** Every row, in creation order. Not to be used across a change. */
  rows(): Iterable<Kept> {
    return this.#order
  }

  /** The history that page tokens are tied to. */
  setEpoch(epoch: string): void {
    this.#epoch = epoch
  }

  append(row: Kept): void {
    this.#order.add(row)
  }

  delete(row: Kept): void {
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
    for (const row of candidates?.rows() ?? this.rows()) if (passes(row.value)) count++
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
