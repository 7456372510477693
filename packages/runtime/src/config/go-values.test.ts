import { describe, expect, it } from 'vitest'
import { quoteGo } from '../go-quote.ts'
import { expandEnvironment } from './expand-env.ts'
import { formatGoDuration, parseGoDuration } from './go-duration.ts'
import { parseGoInteger } from './go-integer.ts'

describe('durations', () => {
  it.each([
    ['', 'time: invalid duration ""'],
    ['x', 'time: invalid duration "x"'],
    ['24', 'time: missing unit in duration "24"'],
    ['1d', 'time: unknown unit "d" in duration "1d"'],
    ['1h 30m', 'time: unknown unit "h " in duration "1h 30m"'],
    ['.s', 'time: invalid duration ".s"'],
    ['9223372036854775808ns', 'time: invalid duration "9223372036854775808ns"'],
    ['99999999999999999999', 'time: invalid duration "99999999999999999999"'],
    ['é"\n', String.raw`time: invalid duration "\xc3\xa9\"\x0a"`],
    ['1constructor', 'time: unknown unit "constructor" in duration "1constructor"'],
  ])('%j is refused', (text, problem) => {
    expect(parseGoDuration(text)).toEqual({ problem })
  })

  it.each([
    ['0', '0s'],
    ['1h30m', '1h30m0s'],
    ['300ms', '300ms'],
    ['1.5s', '1.5s'],
    ['-90s', '-1m30s'],
    ['1500us', '1.5ms'],
    ['24h', '24h0m0s'],
    ['1.000000001s', '1.000000001s'],
  ])('%j prints as %j', (text, printed) => {
    const parsed = parseGoDuration(text)
    expect('nanoseconds' in parsed && formatGoDuration(parsed.nanoseconds)).toBe(printed)
  })
})

describe('whole numbers', () => {
  it.each([
    ['8081', 8081],
    ['-5', -5],
    ['0x1F91', 8081],
    ['0b11', 3],
    ['0o17', 15],
    ['017', 15],
    ['1_000', 1000],
    ['0', 0],
  ])('%j is %d', (text, value) => {
    expect(parseGoInteger(text)).toBe(value)
  })

  it.each(['', 'abc', '1.5', '08', '0x', '1__0', '_1', '1e3', '--1'])('%j is refused', (text) => {
    expect(parseGoInteger(text)).toBe('invalid syntax')
  })

  it('what 64 bits cannot hold is out of range', () => {
    expect(parseGoInteger('9223372036854775808')).toBe('value out of range')
    expect(parseGoInteger('-9223372036854775808')).toBe(-(2 ** 63))
  })
})

describe('environment expansion (§ stands for a dollar sign)', () => {
  const values = new Map([
    ['A', 'x"y'],
    ['B_1', 'z'],
    ['X:-y', 'odd'],
  ])
  const expand = (text: string): string => expandEnvironment(text, (name) => values.get(name))

  it.each([
    ['§A §{A} §B_1.', 'x"y x"y z.'],
    ['§UNSET §{UNSET}', ' '],
    ['§§ §§A', '§ §A'],
    ['§{X:-y}', 'odd'],
    ['a §{} b §{A', 'a  b A'],
    ['§1 §* §# §? §! §@ §-.', '      .'],
    ['§ §. 5§', '§ §. 5§'],
    ['§{?}', ''],
  ])('%j', (text, expected) => {
    expect(expand(text.replaceAll('§', '$'))).toBe(expected.replaceAll('§', '$'))
  })
})

describe('quoting', () => {
  it('is that of %q', () => {
    expect(quoteGo('a"b\\\n\u0001\u00a0é\u200b😀')).toBe('"a\\"b\\\\\\n\\x01\\u00a0é\\u200b😀"')
  })
})
