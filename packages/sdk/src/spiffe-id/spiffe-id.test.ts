import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { SpiffeId } from './spiffe-id.ts'
import { TrustDomain } from './trust-domain.ts'

const refused: readonly [string, string, string][] = [
  ['', 'ERR_SPIFFE_ID_EMPTY', 'cannot be empty'],
  ['https://example.org', 'ERR_SPIFFE_ID_SCHEME', 'scheme is missing or invalid'],
  ['SPIFFE://example.org', 'ERR_SPIFFE_ID_SCHEME', 'scheme is missing or invalid'],
  ['spiffe:/example.org', 'ERR_SPIFFE_ID_SCHEME', 'scheme is missing or invalid'],
  ['spiffe://', 'ERR_TRUST_DOMAIN_MISSING', 'trust domain is missing'],
  ['spiffe:///path', 'ERR_TRUST_DOMAIN_MISSING', 'trust domain is missing'],
  ['spiffe://Example.org', 'ERR_TRUST_DOMAIN_CHARACTERS', 'trust domain characters'],
  ['spiffe://user@example.org', 'ERR_TRUST_DOMAIN_CHARACTERS', 'trust domain characters'],
  ['spiffe://example.org:80', 'ERR_TRUST_DOMAIN_CHARACTERS', 'trust domain characters'],
  ['spiffe://exämple.org', 'ERR_TRUST_DOMAIN_CHARACTERS', 'trust domain characters'],
  ['spiffe://example.org?q', 'ERR_TRUST_DOMAIN_CHARACTERS', 'trust domain characters'],
  ['spiffe://example.org/', 'ERR_SPIFFE_ID_PATH', 'path cannot have a trailing slash'],
  ['spiffe://example.org/a/', 'ERR_SPIFFE_ID_PATH', 'path cannot have a trailing slash'],
  ['spiffe://example.org//a', 'ERR_SPIFFE_ID_PATH', 'path cannot contain empty segments'],
  ['spiffe://example.org/./a', 'ERR_SPIFFE_ID_PATH', 'path cannot contain dot segments'],
  ['spiffe://example.org/a/..', 'ERR_SPIFFE_ID_PATH', 'path cannot contain dot segments'],
  ['spiffe://example.org/%2e%2e', 'ERR_SPIFFE_ID_PATH', 'path segment characters'],
  ['spiffe://example.org/a b', 'ERR_SPIFFE_ID_PATH', 'path segment characters'],
  ['spiffe://example.org/a\u0000', 'ERR_SPIFFE_ID_PATH', 'path segment characters'],
  ['spiffe://example.org/a?b', 'ERR_SPIFFE_ID_PATH', 'path segment characters'],
  ['spiffe://example.org/a#b', 'ERR_SPIFFE_ID_PATH', 'path segment characters'],
  ['spiffe://example.org/é', 'ERR_SPIFFE_ID_PATH', 'path segment characters'],
]

describe('SpiffeId.parse', () => {
  it.each(refused)('refuses %j with its code and rule [SPIFFE-ID 2]', (text, code, message) => {
    expect(() => SpiffeId.parse(text)).toThrow(
      expect.objectContaining({ code, message: expect.stringContaining(message) }),
    )
  })

  it('prints what it parsed, byte for byte, whatever it accepts [SPIFFE-ID 2]', () => {
    const odd = fc.string({
      unit: fc.constantFrom('a', 'Z', '0', '.', '-', '_', '/', '%', 'é', ' '),
    })
    fc.assert(
      fc.property(odd, odd, (domain, path) => {
        const text = `spiffe://${domain}${path}`
        try {
          expect(SpiffeId.parse(text).toString()).toBe(text)
        } catch (error) {
          expect(error).toHaveProperty('code')
        }
      }),
    )
  })

  it('accepts dots inside segments and every allowed character', () => {
    const id = SpiffeId.parse('spiffe://a-b_c.1/...a/B-_.9/..b')
    expect([id.trustDomain.name, id.path]).toEqual(['a-b_c.1', '/...a/B-_.9/..b'])
  })
})

describe('SpiffeId.fromSegments', () => {
  it.each(['..', '.', '', 'a/b', '../x', 'a%2fb', 'a\u0000'])(
    'refuses the segment %j',
    (segment) => {
      expect(() => SpiffeId.fromSegments(TrustDomain.parse('a'), 'x', segment)).toThrow(
        expect.objectContaining({ code: 'ERR_SPIFFE_ID_PATH' }),
      )
    },
  )
})

describe('TrustDomain.parse', () => {
  it('takes a name, or the trust domain of an ID', () => {
    expect(TrustDomain.parse('example.org').name).toBe('example.org')
    expect(TrustDomain.parse('spiffe://example.org/a').name).toBe('example.org')
  })

  it.each([
    ['http://example.org', 'ERR_SPIFFE_ID_SCHEME'],
    ['Example.org', 'ERR_TRUST_DOMAIN_CHARACTERS'],
    ['a/b', 'ERR_TRUST_DOMAIN_CHARACTERS'],
    ['', 'ERR_TRUST_DOMAIN_MISSING'],
  ])('refuses %j', (text, code) => {
    expect(() => TrustDomain.parse(text)).toThrow(expect.objectContaining({ code }))
  })
})
