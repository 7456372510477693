import { describe, expect, it } from 'vitest'
import { snappyDecompress } from './snappy.ts'

const bytes = (...parts: readonly (number | string)[]): Uint8Array =>
  Buffer.concat(
    parts.map((part) => (typeof part === 'string' ? Buffer.from(part) : Buffer.of(part))),
  )

describe('snappyDecompress', () => {
  it('reads literals and copies of each size', () => {
    const text = (input: Uint8Array) => Buffer.from(snappyDecompress(input) ?? []).toString()
    expect(text(bytes(3, 0x08, 'abc'))).toBe('abc')
    expect(text(bytes(9, 0x08, 'abc', 0x09, 3))).toBe('abcabcabc')
    expect(text(bytes(6, 0x00, 'a', 0x12, 1, 0))).toBe('aaaaaa')
    expect(text(bytes(5, 0x08, 'abc', 0x07, 2, 0, 0, 0))).toBe('abcbc')
    expect(text(bytes(61, 0xf0, 60, 'x'.repeat(61)))).toBe('x'.repeat(61))
  })

  it.each([
    ['nothing', bytes()],
    ['a length that does not end', bytes(0xff)],
    ['a literal longer than the rest', bytes(3, 0x08, 'ab')],
    ['more than it says', bytes(2, 0x08, 'abc')],
    ['less than it says', bytes(4, 0x08, 'abc')],
    ['a copy from before the beginning', bytes(7, 0x08, 'abc', 0x01, 4)],
    ['a copy of distance zero', bytes(7, 0x08, 'abc', 0x01, 0)],
    ['a length beyond any block', bytes(0xff, 0xff, 0xff, 0xff, 0x0f)],
  ])('refuses %s', (_, input) => {
    expect(snappyDecompress(input)).toBeUndefined()
  })
})
