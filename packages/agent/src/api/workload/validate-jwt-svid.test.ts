import { createPublicKey } from 'node:crypto'
import { TrustDomain } from '@mini-spire/sdk/spiffe-id'
import { TestCa } from '@mini-spire/sdk/testing'
import { describe, expect, it } from 'vitest'
import type { TrustBundle } from '../../model/trust-bundle.ts'
import { validateJwtSvid, visibleClaims } from './validate-jwt-svid.ts'

const ca = TestCa.create('example.org')
const foreign = TestCa.create('foreign.org')
const now = new Date()

const bundleOf = (authority: TestCa): TrustBundle => ({
  trustDomain: authority.trustDomain,
  x509Authorities: [],
  jwtAuthorities: [
    {
      keyId: authority.jwtKeyId,
      publicKey: createPublicKey(authority.jwtKey).export({ type: 'spki', format: 'der' }),
      tainted: false,
    },
  ],
  refreshHintSeconds: 0,
  sequenceNumber: 0,
})
const validate = (token: string) =>
  validateJwtSvid(token, { audience: 'test', bundles: [bundleOf(ca)], now })
const header = (fields: object) => ca.signJwtSvid('/web', { header: { ...fields } })
const claim = (claims: object) =>
  ca.signJwtSvid('/web', { audience: ['test'], claims: { ...claims } })
const unexpected = (name: string): string =>
  `unable to parse JWT token: unexpected signature algorithm ${name}; expected ["ES256" "ES384" "ES512" "RS256" "RS384" "RS512" "PS256" "PS384" "PS512"]`

it('a token that was read from a file, with its line break, is good', () => {
  const token = ca.signJwtSvid('/web', { audience: ['test'] })
  expect(validate(`${token}\n`).spiffeId.path).toBe('/web')
})

describe('a token is refused', () => {
  it.each([
    ['that is none', 'x', /^unable to parse JWT token: /],
    ['without key ID', header({ kid: undefined }), 'token header missing key id'],
    [
      'with a key that nobody has',
      header({ kid: 'x' }),
      'public key "x" not found in trust domain "example.org"',
    ],
    [
      'of a trust domain that is not known',
      foreign.signJwtSvid('/web'),
      'no keys found for trust domain "foreign.org"',
    ],
    [
      'without subject',
      ca.signJwtSvid('/web', { claims: { sub: undefined } }),
      'token missing subject claim',
    ],
    [
      'without expiry',
      ca.signJwtSvid('/web', { claims: { exp: undefined } }),
      'token missing exp claim',
    ],
    [
      'whose subject is no ID',
      ca.signJwtSvid('/web', { claims: { sub: 'x' } }),
      'token has in invalid subject claim: scheme is missing or invalid',
    ],
    [
      'for somebody else, even when it has expired',
      ca.signJwtSvid('/web', { audience: ['b'], ttlSeconds: -300 }),
      'expected audience in ["test"] (audience=["b"])',
    ],
    [
      'of two parts',
      'a.b',
      'unable to parse JWT token: go-jose/go-jose: compact JWS format must have three parts',
    ],
    [
      'whose header is no base64url',
      `a!${ca.signJwtSvid('/web')}`,
      'unable to parse JWT token: illegal base64 data at input byte 1',
    ],
    ['of an algorithm that is not allowed', header({ alg: 'HS256' }), `${unexpected('"HS256"')}`],
    ['of no algorithm', header({ alg: undefined }), `${unexpected('""')}`],
    [
      'whose audience is no text',
      claim({ aud: 1 }),
      'go-jose/go-jose/jwt: expected string or array value to unmarshal to Audience',
    ],
    [
      'whose expiry is a text',
      claim({ exp: '1' }),
      'go-jose/go-jose/jwt: expected number value to unmarshal NumericDate',
    ],
    [
      'whose subject is a number',
      claim({ sub: 1 }),
      'json: cannot unmarshal number into Go value of type string',
    ],
    [
      'whose issuer is a boolean',
      claim({ iss: true }),
      'json: cannot unmarshal bool into Go value of type string',
    ],
    [
      'whose header is critical',
      header({ crit: ['x'] }),
      'go-jose/go-jose: unsupported critical header',
    ],
    [
      'that is not valid yet',
      claim({ nbf: 4e9 }),
      'go-jose/go-jose/jwt: validation failed, token not valid yet (nbf)',
    ],
    [
      'from the future',
      claim({ iat: 4e9 }),
      'go-jose/go-jose/jwt: validation field, token issued in the future (iat)',
    ],
    ['that has expired', ca.signJwtSvid('/web', { ttlSeconds: -300 }), 'token has expired'],
    [
      'that another key signed',
      ca.signJwtSvid('/web', { key: foreign.jwtKey }),
      'go-jose/go-jose: error in cryptographic primitive',
    ],
  ] as const)('%s', (_, token, message) => {
    expect(() => validate(token)).toThrow(
      expect.objectContaining({
        kind: 'invalid-argument',
        message: expect.stringMatching(
          message instanceof RegExp
            ? message
            : new RegExp(`^${message.replaceAll(/[[\]()]/g, '\\$&')}$`),
        ),
      }),
    )
  })
})

describe('the claims that a workload sees', () => {
  it('are all of its own trust domain, the audience a list', () => {
    const svid = validate(ca.signJwtSvid('/web', { claims: { x: 1, aud: 'test' } }))
    expect(visibleClaims(svid, ca.trustDomain, new Set())).toMatchObject({ x: 1, aud: ['test'] })
  })

  it('of another trust domain are only those that are allowed', () => {
    const svid = validate(ca.signJwtSvid('/web', { claims: { x: 1, y: 2 } }))
    const claims = visibleClaims(svid, TrustDomain.parse('other.org'), new Set(['y']))
    expect(Object.keys(claims).sort()).toEqual(['aud', 'exp', 'sub', 'y'])
  })
})
