import { type Ordered, OrderedRows } from './ordered-rows.ts'

/** From here on a list becomes one that is searched: taking out of a longer one would cost more than that one's memory. */
const longestList = 16

/** The rows of one key, compactly: most keys have one row, which then needs no container. */
export type HeldRows<Row extends Ordered> = Row | Row[] | OrderedRows<Row>

/** The rows with one more. */
export function withRow<Row extends Ordered>(
  held: HeldRows<Row> | undefined,
  row: Row,
): HeldRows<Row> {
  if (held === undefined) return row
  if (held instanceof OrderedRows) {
    held.add(row)
    return held
  }
  if (!Array.isArray(held)) return [held, row]
  held.push(row)
  return held.length > longestList ? ordered(held) : held
}

/** The rows without one; undefined when none is left. */
export function withoutRow<Row extends Ordered>(
  held: HeldRows<Row>,
  row: Row,
): HeldRows<Row> | undefined {
  if (held instanceof OrderedRows) {
    held.delete(row)
    return held.size === 0 ? undefined : held
  }
  if (!Array.isArray(held)) return held === row ? undefined : held
  const at = held.indexOf(row)
  if (at >= 0) held.splice(at, 1)
  return held.length === 0 ? undefined : held
}

/** Every row. */
export function rowsOf<Row extends Ordered>(held: HeldRows<Row> | undefined): Iterable<Row> {
  if (held === undefined) return []
  return held instanceof OrderedRows || Array.isArray(held) ? held : [held]
}

/** How many rows there are. */
export function countOf<Row extends Ordered>(held: HeldRows<Row> | undefined): number {
  if (held === undefined) return 0
  if (held instanceof OrderedRows) return held.size
  return Array.isArray(held) ? held.length : 1
}

/** One of the rows. */
export function anyOf<Row extends Ordered>(held: HeldRows<Row>): Row | undefined {
  if (held instanceof OrderedRows) return held.any()
  return Array.isArray(held) ? held[0] : held
}

function ordered<Row extends Ordered>(rows: readonly Row[]): OrderedRows<Row> {
  const list = new OrderedRows<Row>()
  for (const row of [...rows].sort((a, b) => a.ordinal - b.ordinal)) list.add(row)
  return list
}
