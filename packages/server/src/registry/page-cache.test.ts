import { describe, expect, it } from 'vitest'
import { PageCache } from './page-cache.ts'

function set(version = 1): { version: number } {
  return { version }
}
const page = (bytes: number): readonly Uint8Array[] => [new Uint8Array(bytes)]
const never = (): never => {
  throw new Error('encoded again')
}

describe('the page cache', () => {
  it('encodes once per set, form and version', () => {
    const cache = new PageCache(10_000)
    const one = set()
    const first = cache.get(one, 0, () => page(10))
    expect(cache.get(one, 0, never)).toBe(first)
    expect(cache.get(one, 1, () => page(11))).toHaveLength(1)
    expect(cache.get(set(), 0, () => page(12))[0]).toHaveLength(12)
    one.version = 2
    expect(cache.get(one, 0, () => page(13))[0]).toHaveLength(13)
    expect(cache.get(one, 1, () => page(14))[0]).toHaveLength(14)
  })

  it('forgets what was used longest ago when it is full, and never grows beyond its bound', () => {
    const cache = new PageCache(3_000)
    const sets = [set(), set(), set()] as const
    cache.get(sets[0], 0, () => page(900))
    cache.get(sets[1], 0, () => page(900))
    cache.get(sets[0], 0, never)
    cache.get(sets[2], 0, () => page(900))
    expect(cache.bytes).toBeLessThanOrEqual(3_000)
    cache.get(sets[0], 0, never)
    cache.get(sets[2], 0, never)
    expect(() => cache.get(sets[1], 0, never)).toThrow('encoded again')
  })

  it('answers what is larger than the cache without keeping it', () => {
    const cache = new PageCache(1_000)
    expect(cache.get(set(), 0, () => page(5_000))[0]).toHaveLength(5_000)
    expect(cache.bytes).toBe(0)
  })

  it('keeps no trace of an encoding that failed', () => {
    const cache = new PageCache(1_000)
    const one = set()
    expect(() => cache.get(one, 0, never)).toThrow()
    expect(cache.bytes).toBe(0)
    expect(cache.get(one, 0, () => page(1))).toHaveLength(1)
  })
})
