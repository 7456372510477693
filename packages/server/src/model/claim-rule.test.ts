import type { JsonObject } from '@mini-spire/sdk/bundle'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { claimTexts, parseClaimPath } from './claim-path.ts'
import { type ClaimMatch, isMet } from './claim-rule.ts'
import { Glob } from './glob.ts'

const globOf = (pattern: string): ClaimMatch => {
  const glob = Glob.parse(pattern)
  if (!glob) throw new Error('no pattern')
  return { kind: 'glob', glob }
}
const met = (match: ClaimMatch, value: unknown, name = 'c'): boolean =>
  isMet({ name, path: parseClaimPath(name) ?? [], match }, { c: value } as JsonObject)
const oneOf = (...values: readonly string[]): ClaimMatch => ({
  kind: 'one-of',
  values: new Set(values),
})
const present: ClaimMatch = { kind: 'present' }

describe('where a claim stands', () => {
  const claims = {
    repository: 'octo/app',
    'a/b': 'slash',
    '~': 'tilde',
    'kubernetes.io': { namespace: 'prod', serviceaccount: { name: 'default' } },
    verified: true,
    number: 42,
    groups: ['x', 'y'],
  } as unknown as JsonObject
  const read = (text: string): unknown => claimTexts(claims, parseClaimPath(text) ?? ['?'])

  it.each([
    ['repository', ['octo/app']],
    ['/repository', ['octo/app']],
    ['/kubernetes.io/namespace', ['prod']],
    ['/kubernetes.io/serviceaccount/name', ['default']],
    ['/a~1b', ['slash']],
    ['/~0', ['tilde']],
    ['a/b', ['slash']],
    ['verified', ['true']],
    ['number', ['42']],
    ['groups', ['x', 'y']],
    ['kubernetes.io', undefined],
    ['/groups/0', undefined],
    ['/repository/length', undefined],
    ['missing', undefined],
    ['__proto__', undefined],
    ['/constructor/name', undefined],
  ])('%s [RFC 6901]', (text, expected) => {
    expect(read(text)).toEqual(expected)
  })

  it.each(['', '/', '/a/', '//a', '/a~', '/a~2'])('is none: %j', (text) => {
    expect(parseClaimPath(text)).toBeUndefined()
  })

  it.each([
    ['a fraction', 1.5],
    ['a number that is not exact', 2 ** 53],
    ['a text of a thousand characters and more', 'x'.repeat(1_025)],
    ['a list of many', Array(65).fill('x')],
    ['a list with an object in it', ['x', {}]],
    ['null', null],
  ])('%s is no text', (_, value) => {
    expect(claimTexts({ c: value } as unknown as JsonObject, ['c'])).toBeUndefined()
  })
})

describe('a rule', () => {
  it('asks for the whole claim, in these letters', () => {
    expect(met(oneOf('octo/app', 'octo/web'), 'octo/web')).toBe(true)
    for (const value of ['octo/web2', 'xocto/web', 'Octo/web', ' octo/web', 'octo/web\n', ''])
      expect(met(oneOf('octo/app', 'octo/web'), value)).toBe(false)
  })

  it('with a prefix asks for the beginning only', () => {
    const match: ClaimMatch = { kind: 'prefix', prefix: 'repo:octo/' }
    expect(met(match, 'repo:octo/app:ref')).toBe(true)
    expect(met(match, 'xrepo:octo/app')).toBe(false)
    expect(met(match, 'repo:octo')).toBe(false)
  })

  it('without anything asks that the claim says something', () => {
    expect(met(present, 'x')).toBe(true)
    expect(met(present, false)).toBe(true)
    for (const value of ['', undefined, null, {}, [], ['']]) expect(met(present, value)).toBe(false)
  })

  it('is met by one member of a list', () => {
    expect(met(globOf('team-*'), ['x', 'team-a'])).toBe(true)
    expect(met(globOf('team-*'), ['x', 'team/a'])).toBe(false)
  })

  it('is met by what it names and by nothing that differs, whatever the texts', () => {
    const text = fc.string({ minLength: 1, maxLength: 40 })
    fc.assert(
      fc.property(text, text, (wanted, other) => {
        expect(met(oneOf(wanted), wanted)).toBe(true)
        expect(met(oneOf(wanted), other)).toBe(wanted === other)
        expect(met({ kind: 'prefix', prefix: wanted }, other)).toBe(other.startsWith(wanted))
        expect(met(oneOf(wanted), [other, wanted])).toBe(true)
        expect(met(oneOf(wanted), { [wanted]: wanted })).toBe(false)
      }),
    )
  })
})
