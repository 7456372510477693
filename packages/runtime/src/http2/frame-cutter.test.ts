import { isSpiffeError } from '@mini-spire/sdk/errors'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { FrameCutter } from './frame-cutter.ts'
import { frame } from './session.test-kit.ts'

interface Cut {
  readonly type: number
  readonly flags: number
  readonly streamId: number
  readonly payload: string
}

function cut(pieces: readonly Buffer[], cutter = new FrameCutter()): readonly Cut[] {
  const cuts: Cut[] = []
  for (const piece of pieces)
    cutter.push(piece, ({ type, flags, streamId, bytes, start, end }) => {
      cuts.push({ type, flags, streamId, payload: bytes.toString('hex', start, end) })
      return true
    })
  return cuts
}

const byte = fc.integer({ min: 0, max: 255 })
const frames = fc.array(
  fc.record({
    type: byte,
    flags: byte,
    stream: fc.integer({ min: 0, max: 2 ** 31 - 1 }),
    payload: fc.uint8Array({ maxLength: 300 }),
  }),
  { maxLength: 12 },
)

describe('frames', () => {
  it('are the same in whatever pieces they come [RFC 9113 4.1]', () => {
    fc.assert(
      fc.property(frames, fc.array(fc.nat(4_000), { maxLength: 20 }), (sent, at) => {
        const bytes = Buffer.concat(sent.map(({ type, ...rest }) => frame(type, rest)))
        const cuts = [0, ...at.map((n) => n % (bytes.length + 1)).sort((a, b) => a - b)]
        const pieces = cuts.map((from, n) => bytes.subarray(from, cuts[n + 1] ?? bytes.length))
        const whole = cut([bytes])
        expect(whole.length).toBe(sent.length)
        expect(cut(pieces)).toEqual(whole)
        expect(cut(Array.from(bytes, (each) => Buffer.of(each)))).toEqual(whole)
      }),
    )
  })

  it('may have the reserved bit set, which says nothing [RFC 9113 4.1]', () => {
    const bytes = frame(6, { stream: 5, payload: Buffer.alloc(8) })
    bytes.writeUInt32BE(0x80000005, 5)
    expect(cut([bytes])[0]?.streamId).toBe(5)
  })

  it('that are too large are refused by their head, in one piece or in several [RFC 9113 4.2]', () => {
    const head = Buffer.from('004001000000000001', 'hex')
    for (const pieces of [[head], [head.subarray(0, 3), head.subarray(3)]]) {
      let thrown: unknown
      try {
        cut(pieces)
      } catch (error) {
        thrown = error
      }
      expect(isSpiffeError(thrown, 'ERR_HTTP2_CONNECTION')).toBe(true)
      expect(thrown).toMatchObject({ reason: 6 })
    }
    expect(cut([Buffer.from('004000000000000001', 'hex')])).toEqual([])
  })

  it('are not told of any more when the first has been too much', () => {
    const cutter = new FrameCutter()
    let told = 0
    const stop = (): boolean => {
      told++
      return false
    }
    cutter.push(Buffer.concat([frame(6), frame(6)]), stop)
    expect(told).toBe(1)
  })
})
