import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { derTime } from './der-writer.ts'

const year = (text: string): number => Date.parse(text) / 1000

/** As the standard says it, by way of the ISO form. */
function written(seconds: number): string {
  const digits = new Date(seconds * 1000).toISOString().replaceAll(/[-:T]|\.\d+/g, '')
  const isShort = seconds >= year('1950-01-01') && seconds < year('2050-01-01')
  return isShort ? `\x17\x0d${digits.slice(2)}` : `\x18\x0f${digits}`
}

describe('derTime', () => {
  it('is UTCTime from 1950 to 2049 and GeneralizedTime outside', () => {
    const seconds = fc.integer({ min: year('1900-01-01'), max: year('9999-12-31') })
    fc.assert(
      fc.property(seconds, (time) => {
        expect(derTime(time).toString('latin1')).toBe(written(time))
      }),
    )
  })

  it.each([
    '1949-12-31T23:59:59Z',
    '1950-01-01T00:00:00Z',
    '2000-02-29T09:08:07Z',
    '2049-12-31T23:59:59Z',
    '2050-01-01T00:00:00Z',
  ])('is right at %s', (text) => {
    expect(derTime(year(text)).toString('latin1')).toBe(written(year(text)))
  })

  it('is refused for what is no time', () => {
    expect(() => derTime(Number.NaN)).toThrow(RangeError)
  })
})
