import { describe, expect, it } from 'vitest'
import { parseFlags } from './flags.ts'

const schema = {
  name: { type: 'string', usage: 'a text' },
  count: { type: 'int', usage: 'a number' },
  quiet: { type: 'bool', usage: 'says nothing' },
} as const

describe('arguments', () => {
  it.each(['--', '-', 'web'])('%s ends the flags', (end) => {
    expect(parseFlags(schema, ['-quiet', end, '-name', 'x']).values).toEqual({
      name: '',
      count: 0,
      quiet: true,
    })
  })

  it.each([
    [['-nope'], 'flag provided but not defined: -nope'],
    [['-__proto__', 'x'], 'flag provided but not defined: -__proto__'],
    [['-h=1'], 'flag: help requested'],
    [['-quiet', '--help=x'], 'flag: help requested'],
    [['-name'], 'flag needs an argument: -name'],
    [['---name'], 'bad flag syntax: ---name'],
    [['-=x'], 'bad flag syntax: -=x'],
    [['-count', 'x'], 'invalid value "x" for flag -count: parse error'],
    [['-quiet=x'], 'invalid boolean value "x" for -quiet: parse error'],
  ])('%j are refused as wrong usage', (args, message) => {
    expect(() => parseFlags(schema, args)).toThrow(
      expect.objectContaining({ code: 'ERR_USAGE', kind: 'invalid-argument', message }),
    )
  })
})
