import { createPublicKey } from 'node:crypto'
import { TestCa } from '@mini-spire/sdk/testing'
import { describe, expect, it } from 'vitest'
import { parseBundle } from './parse-bundle.ts'

const ca = TestCa.create('example.org')
const x5c = [Buffer.from(ca.certificate.raw).toString('base64')]
const root = { use: 'x509-svid', ...ca.certificate.publicKey.export({ format: 'jwk' }), x5c }
const key = createPublicKey(ca.jwtKey).export({ format: 'jwk' })
const jwt = { use: 'jwt-svid', kid: 'k', ...key }

const parse = (text: string): ReturnType<typeof parseBundle> =>
  parseBundle(Buffer.from(text), 'spiffe', 'example.org')
const problemOf = (...keys: readonly unknown[]): string => {
  try {
    parse(JSON.stringify({ keys }))
    return ''
  } catch (error) {
    return (error as Error).message
  }
}

describe('a SPIFFE bundle that an operator hands in', () => {
  it('is taken whole', () => {
    const { x509Authorities, jwtAuthorities } = parse(JSON.stringify({ keys: [root, jwt] }))
    expect([x509Authorities.length, jwtAuthorities.length]).toEqual([1, 1])
    expect(problemOf({ ...jwt, use: 'wit-svid' }, { ...root, use: undefined })).toBe('')
  })

  const jose = 'unable to parse JWKS: go-jose/go-jose: '
  const json = 'unable to parse JWKS: json: cannot unmarshal '
  it.each<[string, unknown, string]>([
    ['null', null, `${jose}missing json web key type`],
    ['a number', 5, `${json}number into Go value of type jose.rawJSONWebKey`],
    ['an ID that is a number', { ...jwt, kid: 5 }, `${json}number into Go value of type string`],
    ['x5c that is a text', { ...root, x5c: 'a' }, `${json}string into Go value of type []string`],
    [
      'x5c that is not base64',
      { ...root, x5c: ['!'] },
      `${jose}failed to unmarshal x5c field: illegal base64 data`,
    ],
    ['no type', { ...jwt, kty: undefined }, `${jose}missing json web key type`],
    ['an unknown type', { ...jwt, kty: 'AKP' }, `${jose}unsupported key type/format`],
    [
      'another Edwards curve',
      { ...jwt, kty: 'OKP', crv: 'Ed448' },
      `${jose}unsupported key type/format`,
    ],
    ['no curve', { ...jwt, crv: undefined }, `${jose}unsupported elliptic curve ''`],
    [
      'another curve',
      { ...jwt, crv: 'secp256k1' },
      `${jose}unsupported elliptic curve 'secp256k1'`,
    ],
    ['half a point', { ...root, x: undefined }, `${jose}invalid EC key, missing x/y values`],
    [
      'a short coordinate',
      { ...root, x: 'AAAA' },
      `${jose}invalid EC public key, wrong length for x`,
    ],
    [
      'a long coordinate',
      { ...root, y: 'A'.repeat(80) },
      `${jose}invalid EC public key, wrong length for y`,
    ],
    [
      'a point off the curve',
      { ...root, y: root.x },
      `${jose}invalid EC key, X/Y are not on declared curve`,
    ],
    [
      'an RSA key without modulus',
      { ...jwt, kty: 'RSA', e: 'AQAB' },
      `${jose}invalid RSA key, missing n/e values`,
    ],
    [
      'the key of another certificate',
      { ...root, ...key },
      `${jose}invalid JWK, public keys in key and x5c fields do not match`,
    ],
    [
      'a secret with a certificate',
      { ...root, kty: 'oct' },
      `${jose}invalid JWK, found 'oct' (symmetric) key with cert chain`,
    ],
    [
      'no certificate',
      { ...root, x5c: [] },
      'expected a single certificate in x509-svid entry 1; got 0',
    ],
    [
      'null for a certificate',
      { ...root, x5c: null },
      'expected a single certificate in x509-svid entry 1; got 0',
    ],
    [
      'two certificates',
      { ...root, x5c: [...x5c, ...x5c] },
      'expected a single certificate in x509-svid entry 1; got 2',
    ],
  ])('is refused for an entry with %s, which would be left out', (_, entry, problem) => {
    const text = `unable to parse to spiffe bundle: spiffebundle: ${problem}`
    expect(problemOf(root, entry)).toBe(text)
  })

  it('is refused for a secret among its JWT keys', () => {
    const secret = { use: 'jwt-svid', kid: 's', kty: 'oct', k: 'AAAA' }
    const text = 'unable to parse to type bundle: x509: unsupported public key type: []uint8'
    expect(problemOf(secret)).toBe(text)
  })
})
