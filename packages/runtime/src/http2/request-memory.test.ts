import { describe, expect, it } from 'vitest'
import { RequestMemory } from './request-memory.ts'

const free = 16_384
const piece = 262_144
const limits = {
  maxBytes: 8 * piece,
  maxBytesOfStrangers: 4 * piece,
  maxBytesPerAddress: 2 * piece,
}
const known = (address: string) => ({ address, isStranger: false })
const stranger = (address: string) => ({ address, isStranger: true })

describe('what is kept of unfinished requests [gate 9]', () => {
  it('has a bound by address, over all of its connections', () => {
    const memory = new RequestMemory(limits)
    const [one, two] = [memory.shareOf(known('a')), memory.shareOf(known('a'))]
    expect(one.cover(free + piece)).toBe(true)
    expect(two.cover(free + piece)).toBe(true)
    expect(one.cover(free + piece + 1)).toBe(false)
    expect(memory.shareOf(known('b')).cover(free + 2 * piece)).toBe(true)
  })

  it('has one for all strangers, beside which there is room for others', () => {
    const memory = new RequestMemory(limits)
    for (const address of ['a', 'b'])
      expect(memory.shareOf(stranger(address)).cover(free + 2 * piece)).toBe(true)
    expect(memory.shareOf(stranger('c')).cover(free + 1)).toBe(false)
    expect(memory.shareOf(known('c')).cover(free + 2 * piece)).toBe(true)
  })

  it('has one for all', () => {
    const memory = new RequestMemory(limits)
    for (const address of ['a', 'b', 'c', 'd'])
      expect(memory.shareOf(known(address)).cover(free + 2 * piece)).toBe(true)
    expect(memory.shareOf(known('e')).cover(free + 1)).toBe(false)
  })

  it('never refuses a few kilobytes', () => {
    const memory = new RequestMemory({ maxBytes: 0, maxBytesOfStrangers: 0, maxBytesPerAddress: 0 })
    expect(memory.shareOf(stranger('a')).cover(free)).toBe(true)
    expect(memory.shareOf(stranger('a')).cover(free + 1)).toBe(false)
  })

  it('is given back as it is read, and counted once however often it is asked for', () => {
    const memory = new RequestMemory(limits)
    const share = memory.shareOf(stranger('a'))
    for (let round = 0; round < 100; round++) {
      for (let kept = 0; kept <= free + 2 * piece; kept += 10_000)
        expect(share.cover(kept)).toBe(true)
      expect(share.cover(0)).toBe(true)
    }
    for (const address of ['a', 'b'])
      expect(memory.shareOf(stranger(address)).cover(free + 2 * piece)).toBe(true)
  })
})
