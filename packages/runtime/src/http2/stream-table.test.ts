import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { ServerStream } from './server-stream.ts'
import { StreamTable } from './stream-table.ts'

const streamOf = (id: number): ServerStream => ({ id }) as ServerStream

describe('the table of streams', () => {
  it('holds what a map would hold, whatever comes and goes in whatever order', () => {
    const step = fc.record({ adds: fc.boolean(), id: fc.integer({ min: 0, max: 40 }) })
    fc.assert(
      fc.property(
        fc.array(step, { maxLength: 300 }),
        fc.constantFrom(1, 16, 64),
        (steps, stride) => {
          const table = new StreamTable()
          const map = new Map<number, ServerStream>()
          for (const { adds, id: nth } of steps) {
            // With a stride of tables' sizes all of them want the same place.
            const id = 2 * nth * stride + 1
            if (adds && !map.has(id)) {
              const stream = streamOf(id)
              table.add(stream)
              map.set(id, stream)
            } else if (!adds) {
              table.delete(id)
              map.delete(id)
            }
            expect(table.size).toBe(map.size)
          }
          for (let nth = 0; nth <= 40; nth++) {
            const id = 2 * nth * stride + 1
            expect(table.get(id)).toBe(map.get(id))
          }
          expect(new Set(table.streams())).toEqual(new Set(map.values()))
        },
      ),
    )
  })

  it('goes up to the largest ID that there is', () => {
    const table = new StreamTable()
    const ids = [2 ** 31 - 1, 2 ** 31 - 3, 1, 3]
    for (const id of ids) table.add(streamOf(id))
    expect(ids.map((id) => table.get(id)?.id)).toEqual(ids)
    table.delete(2 ** 31 - 1)
    expect(ids.map((id) => table.get(id)?.id)).toEqual([undefined, ...ids.slice(1)])
  })
})
