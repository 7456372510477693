import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ByteHeap } from './byte-heap.ts'

/** A heap and what should be in it, by a number that each run begins with. */
class Checked {
  readonly positions = new Map<number, number>()
  readonly contents = new Map<number, Buffer>()
  readonly heap = new ByteHeap((from, to, bytes, start) => {
    const number = bytes.readUInt32LE(start)
    expect(this.positions.get(number)).toBe(from)
    this.positions.set(number, to)
  })
  #next = 0

  add(length: number): void {
    const number = this.#next++
    const bytes = Buffer.alloc(Math.max(4, length), number % 251)
    bytes.writeUInt32LE(number, 0)
    this.contents.set(number, bytes)
    this.positions.set(number, this.heap.add(bytes, 0, bytes.length))
  }

  free(number: number): void {
    const position = this.positions.get(number)
    if (position === undefined) return
    this.positions.delete(number)
    this.contents.delete(number)
    this.heap.free(position)
  }

  expectWhole(): void {
    for (const [number, position] of this.positions) {
      const { heap } = this
      const found = heap.bytesOf(position).subarray(heap.startOf(position), heap.endOf(position))
      expect(found.equals(this.contents.get(number) ?? Buffer.alloc(0))).toBe(true)
    }
  }
}

describe('ByteHeap', () => {
  it('keeps every run as it was, whatever else comes and goes', () => {
    const step = fc.oneof(fc.record({ add: fc.nat(6000) }), fc.record({ free: fc.nat(300) }))
    fc.assert(
      fc.property(fc.array(step, { maxLength: 600 }), (steps) => {
        const checked = new Checked()
        for (const each of steps) {
          if ('add' in each) checked.add(each.add)
          else checked.free(each.free)
        }
        checked.expectWhole()
      }),
      { numRuns: 50 },
    )
  })

  it('gives up chunks that are mostly gaps', () => {
    const checked = new Checked()
    for (let number = 0; number < 30_000; number++) checked.add(200)
    const full = checked.heap.size
    for (let number = 0; number < 30_000; number++) if (number % 10 !== 0) checked.free(number)
    expect(checked.heap.size).toBeLessThan(full / 2)
    checked.expectWhole()
  })

  it('does not grow while one run is replaced again and again', () => {
    const checked = new Checked()
    checked.add(1000)
    for (let number = 0; number < 20_000; number++) {
      checked.add(1000)
      checked.free(number)
    }
    expect(checked.heap.size).toBeLessThan(4 * 2 ** 20)
    checked.expectWhole()
  })

  it('tells what was added after a run, across chunks, and nothing where something was freed', () => {
    const checked = new Checked()
    for (let number = 0; number < 10_000; number++) checked.add(200)
    const at = (number: number): number => checked.positions.get(number) ?? -1
    for (let number = 0; number + 1 < 10_000; number++) {
      expect(checked.heap.after(at(number))).toBe(at(number + 1))
    }
    expect(checked.heap.after(at(9999))).toBeUndefined()
    const first =
      [...checked.positions.keys()].find(
        (number) => at(number) > 0 && at(number) % 2 ** 18 === 0,
      ) ?? 0
    for (const number of [5, first]) checked.free(number)
    expect(checked.heap.after(at(4))).toBeUndefined()
    expect(checked.heap.after(at(first - 1))).toBeUndefined()
    expect(checked.heap.after(at(6))).toBe(at(7))
  })

  it('keeps a run that is larger than a chunk, and an empty one', () => {
    const heap = new ByteHeap(() => {})
    const large = Buffer.alloc(3 * 2 ** 20, 7)
    const empty = heap.add(large, 0, 0)
    const position = heap.add(large, 0, large.length)
    const after = heap.add(Buffer.from('after'), 1, 4)
    expect(heap.endOf(empty) - heap.startOf(empty)).toBe(0)
    expect(heap.endOf(position) - heap.startOf(position)).toBe(large.length)
    expect(heap.bytesOf(after).toString('utf8', heap.startOf(after), heap.endOf(after))).toBe('fte')
    heap.free(position)
    expect(heap.size).toBeLessThan(2 ** 21)
  })

  it('refuses to free bytes twice, or where nothing is', () => {
    const heap = new ByteHeap(() => {})
    const position = heap.add(Buffer.from('once'), 0, 4)
    heap.free(position)
    expect(() => heap.free(position)).toThrow('freed twice')
    expect(() => heap.free(2 ** 30)).toThrow('nothing is at position')
  })
})
