import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { KeyTable } from './key-table.ts'
import { isSameSpan } from './spans.ts'

const bytesOf = (text: string): Buffer => Buffer.from(text)

/** A table of texts under themselves. */
function textTable(seed?: number): KeyTable<string> {
  return new KeyTable<string>((held, bytes, start, end) => {
    const own = bytesOf(held)
    return isSameSpan(own, 0, own.length, bytes, start, end)
  }, seed)
}

function add(table: KeyTable<string>, text: string): void {
  const bytes = bytesOf(text)
  table.put(table.find(bytes, 0, bytes.length), text)
}

describe('KeyTable', () => {
  it('holds what a map holds, whatever was put and taken out in any order', () => {
    const text = fc.nat(60).map((number) => `key-${number}`)
    const step = fc.record({ isPut: fc.boolean(), text })
    fc.assert(
      fc.property(fc.array(step, { maxLength: 400 }), fc.nat(), (steps, seed) => {
        const table = textTable(seed)
        const model = new Set<string>()
        for (const { isPut, text: key } of steps) {
          const bytes = bytesOf(key)
          const place = table.find(bytes, 0, bytes.length)
          expect(place >= 0).toBe(model.has(key))
          if (isPut) table.put(place, key)
          else if (place >= 0) table.delete(place)
          if (isPut) model.add(key)
          else model.delete(key)
          expect(table.size).toBe(model.size)
        }
        for (let number = 0; number <= 60; number++) {
          const key = `key-${number}`
          const found = table.get(bytesOf(key), 0, key.length)
          expect(found).toBe(model.has(key) ? key : undefined)
        }
      }),
    )
  })

  it('finds a key in the middle of other bytes', () => {
    const table = textTable()
    add(table, 'key')
    expect(table.get(bytesOf('a key here'), 2, 5)).toBe('key')
    expect(table.get(bytesOf('a key here'), 2, 6)).toBeUndefined()
    expect(table.get(bytesOf('a key here'), 2, 4)).toBeUndefined()
  })

  it('keeps thousands of keys apart while every second one is taken out', () => {
    const table = textTable()
    const keys = Array.from({ length: 5000 }, (_, number) => `${number}`)
    for (const key of keys) add(table, key)
    for (const key of keys.filter((_, at) => at % 2 === 0)) {
      table.delete(table.find(bytesOf(key), 0, key.length))
    }
    for (const [at, key] of keys.entries()) {
      expect(table.get(bytesOf(key), 0, key.length)).toBe(at % 2 === 0 ? undefined : key)
    }
  })

  it('puts something else under the same key', () => {
    const held = new KeyTable<{ readonly key: string; readonly value: number }>(
      ({ key }, bytes, start, end) => isSameSpan(bytesOf(key), 0, key.length, bytes, start, end),
    )
    for (const value of [1, 2]) {
      held.put(held.find(bytesOf('a'), 0, 1), { key: 'a', value })
    }
    expect(held.get(bytesOf('a'), 0, 1)?.value).toBe(2)
    expect(held.size).toBe(1)
  })
})
