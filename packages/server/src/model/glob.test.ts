import { cpuMsOf } from '@mini-spire/runtime/cpu-time.test-kit'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Glob } from './glob.ts'

const matches = (pattern: string, text: string): boolean | undefined =>
  Glob.parse(pattern)?.matches(text)

/** The same pattern as a regular expression: what the standard library makes of it. */
function reference(pattern: string): RegExp {
  const source = pattern.replaceAll(/\*\*|[\s\S]/g, (part) => {
    if (part === '**') return '[\\s\\S]*'
    return part === '*' ? '[^/]*' : part.replaceAll(/[\\^$.*+?()[\]{}|/-]/g, '\\$&')
  })
  return new RegExp(`^(?:${source})$`)
}

describe('a pattern', () => {
  it.each([
    ['refs/heads/*', 'refs/heads/main', true],
    ['refs/heads/*', 'refs/heads/', true],
    ['refs/heads/*', 'refs/heads/a/b', false],
    ['refs/heads/**', 'refs/heads/a/b', true],
    ['octo/*/x@**', 'octo/app/x@refs/heads/main', true],
    ['*', 'a', true],
    ['*', 'a/b', false],
    ['**', 'a/b\n', true],
    ['a', 'a', true],
    ['a', 'aa', false],
    ['a', 'ba', false],
    ['a*', 'a\n', true],
    ['a', 'a\n', false],
    ['.', 'x', false],
    ['a?', 'ab', false],
    ['[ab]', 'a', false],
    ['main', 'MAIN', false],
    ['*a*', 'xxaxx', true],
    ['**/x', '/x', true],
    ['**/x', 'x', false],
  ])('%j of %j: %s', (pattern, text, expected) => {
    expect(matches(pattern, text)).toBe(expected)
  })

  it.each(['', '***', 'a***b', 'x'.repeat(257)])('is none: %j', (pattern) => {
    expect(Glob.parse(pattern)).toBeUndefined()
  })

  it('matches exactly what a regular expression for it matches', () => {
    const letters = fc.string({
      unit: fc.constantFrom('a', 'b', '/', '.', '*', '\n'),
      maxLength: 12,
    })
    fc.assert(
      fc.property(letters, letters, (pattern, text) => {
        fc.pre(Glob.parse(pattern) !== undefined)
        expect(matches(pattern, text)).toBe(reference(pattern).test(text))
      }),
      { numRuns: 2_000 },
    )
  })

  it('matches what is made from it by filling its wildcards', () => {
    const name = fc.string({ unit: fc.constantFrom('a', 'b', '-', '.'), maxLength: 6 })
    const path = fc.string({ unit: fc.constantFrom('a', '/', '.'), maxLength: 6 })
    const part = fc.oneof(
      name.map((text) => ({ pattern: text, text })),
      name.map((text) => ({ pattern: '*', text })),
      path.map((text) => ({ pattern: '**', text })),
    )
    fc.assert(
      fc.property(fc.array(part, { minLength: 1, maxLength: 6 }), (parts) => {
        const pattern = parts.map((one) => one.pattern).join('/')
        fc.pre(pattern !== '' && !pattern.includes('***'))
        expect(matches(pattern, parts.map((one) => one.text).join('/'))).toBe(true)
      }),
    )
  })

  it('takes no longer for texts that make regular expressions slow', async () => {
    const pattern = '*a'.repeat(120)
    const text = `${'a'.repeat(1_023)}b`
    const cpuMs = await cpuMsOf(() => expect(matches(pattern, text)).toBe(false))
    expect(cpuMs).toBeLessThan(1_000)
  })
})
