import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { countOf, type HeldRows, rowsOf, withoutRow, withRow } from './held-rows.ts'
import { type Ordered, OrderedRows } from './ordered-rows.ts'

const rows: readonly Ordered[] = Array.from({ length: 60 }, (_, ordinal) => ({ ordinal }))
const steps = fc.array(fc.record({ adds: fc.boolean(), at: fc.nat(rows.length - 1) }), {
  maxLength: 300,
})
const sorted = (held: Iterable<Ordered>): readonly Ordered[] =>
  [...held].sort((a, b) => a.ordinal - b.ordinal)

describe('OrderedRows', () => {
  it('has in order what a set would have, whatever was added and removed, in any order', () => {
    fc.assert(
      fc.property(steps, (list) => {
        const ordered = new OrderedRows<Ordered>()
        const model = new Set<Ordered>()
        for (const { adds, at } of list) {
          const row = rows[at] ?? { ordinal: -1 }
          if (adds) ordered.add(row)
          else ordered.delete(row)
          if (adds) model.add(row)
          else model.delete(row)
          const any = ordered.any()
          expect(any === undefined ? model.size === 0 : model.has(any)).toBe(true)
        }
        expect([...ordered]).toEqual(sorted(model))
        expect(ordered.size).toBe(model.size)
      }),
    )
  })

  it('is read from any place on, when most have been removed as well', () => {
    const ordered = new OrderedRows<Ordered>()
    const many = Array.from({ length: 5000 }, (_, ordinal) => ({ ordinal }))
    for (const row of many) ordered.add(row)
    for (const row of many) if (row.ordinal % 7 !== 0) ordered.delete(row)
    expect(Array.from(ordered.after(4900), ({ ordinal }) => ordinal)).toEqual(
      Array.from({ length: 14 }, (_, at) => 4900 + 7 * (at + 1)).filter((at) => at < 5000),
    )
  })
})

describe('the rows of a key', () => {
  it('are those that were added and not removed, however many', () => {
    fc.assert(
      fc.property(steps, (list) => {
        let held: HeldRows<Ordered> | undefined
        const model = new Set<Ordered>()
        for (const { adds, at } of list) {
          const row = rows[at] ?? { ordinal: -1 }
          if (adds === model.has(row)) continue
          if (adds) held = withRow(held, row)
          else if (held !== undefined) held = withoutRow(held, row)
          if (adds) model.add(row)
          else model.delete(row)
          expect(countOf(held)).toBe(model.size)
        }
        expect(sorted(rowsOf(held))).toEqual(sorted(model))
      }),
    )
  })
})
