import { describe, expect, it } from 'vitest'
import type { CommandEntry } from './command.ts'
import { completions } from './complete.ts'

const commands: readonly CommandEntry[] = [
  'agent list',
  'agent show',
  'api fetch',
  'api fetch jwt',
  'run',
].map((path) => ({ path, synopsis: '', load: () => Promise.reject(new Error('not loaded')) }))

describe('completion of a command line', () => {
  it.each([
    ['spire ', ['agent', 'api', 'run']],
    ['spire a', ['agent', 'api']],
    ['spire agent ', ['list', 'show']],
    ['spire agent s', ['show']],
    ['spire api fetch', ['fetch']],
    ['spire api fetch ', ['jwt']],
    ['spire agent list ', []],
    ['spire agent list -', []],
    ['spire -v', ['-version']],
    ['spire -autocomplete-', ['-autocomplete-install', '-autocomplete-uninstall']],
    ['spire -foo agent ', ['list', 'show']],
    ['spire bogus ', ['agent', 'api', 'run']],
    ['spire', []],
  ])('of %j offers %j', (line, expected) => {
    expect(completions(commands, line)).toEqual(expected)
  })
})
