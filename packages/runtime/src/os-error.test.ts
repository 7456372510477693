import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { osErrorText } from './os-error.ts'

const folder = mkdtempSync(join(tmpdir(), 'os-error-'))

afterAll(() => rmSync(folder, { recursive: true }))

describe('what went wrong with a file', () => {
  it.each([
    [
      'a file that is not there',
      () => readFileSync(join(folder, 'x')),
      'open x: no such file or directory',
    ],
    ['a folder that is read', () => readFileSync(folder), 'read x: is a directory'],
    ['a folder that is written', () => writeFileSync(folder, ''), 'open x: is a directory'],
  ])('%s is told of as Go does', (_, attempt, text) => {
    let failure: unknown
    try {
      attempt()
    } catch (error) {
      failure = error
    }
    expect(osErrorText('open', 'x', failure)).toBe(text)
  })
})
