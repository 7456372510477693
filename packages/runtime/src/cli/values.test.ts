import { describe, expect, it } from 'vitest'
import { checkInt32, parseSelector, toInt64, ttlSeconds } from './values.ts'

describe("a command's value", () => {
  it.each([
    ['a selector without type', () => parseSelector('uid'), 'formatted as type:value'],
    ['one more than 32 bits hold', () => checkInt32(2 ** 31, 'x: '), 'x: overflow converting'],
    ['one less than 32 bits hold', () => checkInt32(-(2 ** 31) - 1, ''), 'overflow converting'],
    ['a TTL of centuries', () => ttlSeconds(2n ** 62n), 'invalid value for TTL: '],
  ])('is refused when it is %s', (_, read, message) => {
    expect(read).toThrow(
      expect.objectContaining({
        code: 'ERR_COMMAND',
        kind: 'invalid-argument',
        message: expect.stringContaining(message),
      }),
    )
  })

  it('is read up to its bounds', () => {
    expect(parseSelector('unix:uid:1')).toEqual({ type: 'unix', value: 'uid:1' })
    for (const bound of [2 ** 31 - 1, -(2 ** 31)]) expect(checkInt32(bound, '')).toBe(bound)
    expect([0n, 1n, 1_000_000_000n].map(ttlSeconds)).toEqual([0, 1, 1])
  })

  it('of 64 bits ends at its bound, where numbers are rounded beyond it', () => {
    expect([0, -5, 2 ** 62].map(toInt64)).toEqual([0n, -5n, 2n ** 62n])
    expect(toInt64(Number('9223372036854775807'))).toBe(2n ** 63n - 1n)
  })
})
