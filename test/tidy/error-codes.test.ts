import { describe, expect, it } from 'vitest'
import { readText, repositoryFiles } from '../kit/repository.ts'
import { codeOf, sourceFiles } from './source-files.ts'

const code = /\bERR_[A-Z0-9_]+\b/g

/** Whether a file says what a program does: a test, a contract that tests share, or a vector that a test reads codes from. */
function isProof(path: string): boolean {
  return /\.(test|contract)\.ts$/.test(path) || /^test\/vectors\/.*\.json$/.test(path)
}

describe('error codes', () => {
  it('are each named by a test, which says what they are for', () => {
    const named = new Set(
      repositoryFiles()
        .filter(isProof)
        .flatMap((path) => readText(path).match(code) ?? []),
    )
    const codes = sourceFiles()
      .filter(({ path }) => path.endsWith('-error.ts'))
      .flatMap(({ path, text }) =>
        [...new Set(codeOf(text).match(code))].map((name) => ({ path, name })),
      )
    expect(codes.length).toBeGreaterThan(100)
    const unproven = codes.filter(({ name }) => !named.has(name))
    expect(
      unproven.map(({ path, name }) => `${path}: ${name}`),
      'no test names these codes: assert each where it is provoked (toMatchObject({ code })), or remove one that nothing throws',
    ).toEqual([])
  })
})
