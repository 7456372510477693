import { describe, expect, it } from 'vitest'
import { formatUtc } from './time.ts'

describe('an instant as Go prints it', () => {
  it.each([
    [1_795_636_803, '2026-11-25 20:00:03 +0000 UTC'],
    [2 ** 62, '146138514283-06-19 07:45:04 +0000 UTC'],
    [253_402_300_800, '10000-01-01 00:00:00 +0000 UTC'],
    [-1, '1969-12-31 23:59:59 +0000 UTC'],
  ])('%i seconds are %s', (seconds, text) => {
    expect(formatUtc(seconds)).toBe(text)
  })
})
