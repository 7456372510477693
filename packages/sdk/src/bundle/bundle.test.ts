import { createPublicKey, generateKeyPairSync } from 'node:crypto'
import fc from 'fast-check'
import { createLocalJWKSet, exportJWK, jwtVerify } from 'jose'
import { describe, expect, it } from 'vitest'
import { TrustDomain } from '../spiffe-id/index.ts'
import { TestCa } from '../testing/index.ts'
import { JwtBundle, JwtBundleSet, SpiffeBundle, X509Bundle, X509BundleSet } from './index.ts'

const ca = TestCa.create('example.org')
const domain = ca.trustDomain
const root = ca.certificate
const x5c = [Buffer.from(root.raw).toString('base64')]
const ecKey = createPublicKey(ca.jwtKey).export({ format: 'jwk' })
const jwk = { ...ecKey, kid: 'k', use: 'jwt-svid' }
const codeOf = (act: () => unknown): string | undefined => {
  try {
    act()
    return undefined
  } catch (error) {
    return (error as { code?: string }).code ?? String(error)
  }
}
const parse = (keys: unknown, more: object = {}): SpiffeBundle =>
  SpiffeBundle.parse(domain, JSON.stringify({ keys, ...more }))

describe('a SPIFFE bundle', () => {
  it.each<[string, string, string]>([
    ['nothing', '', 'ERR_JSON_MALFORMED'],
    ['a list', '[]', 'ERR_JSON_MALFORMED'],
    ['no keys', '{}', 'ERR_BUNDLE_MALFORMED'],
    ['keys that are no list', '{"keys":{}}', 'ERR_BUNDLE_MALFORMED'],
    ['a key that is no object', '{"keys":[1]}', 'ERR_BUNDLE_MALFORMED'],
    ['keys twice', '{"keys":[],"keys":[]}', 'ERR_JSON_MALFORMED'],
    ['text after it', '{"keys":[]}{}', 'ERR_JSON_MALFORMED'],
    ['a trailing comma', '{"keys":[],}', 'ERR_JSON_MALFORMED'],
    ['a sequence that is a string', '{"keys":[],"spiffe_sequence":"1"}', 'ERR_BUNDLE_MALFORMED'],
    ['a negative sequence', '{"keys":[],"spiffe_sequence":-1}', 'ERR_BUNDLE_MALFORMED'],
    ['65 bits', '{"keys":[],"spiffe_sequence":18446744073709551616}', 'ERR_BUNDLE_MALFORMED'],
    ['half a second', '{"keys":[],"spiffe_refresh_hint":0.5}', 'ERR_BUNDLE_MALFORMED'],
    [
      'a refresh hint beyond numbers',
      '{"keys":[],"spiffe_refresh_hint":1e999}',
      'ERR_JSON_MALFORMED',
    ],
    ['deep nesting', `{"keys":${'['.repeat(100_000)}`, 'ERR_JSON_MALFORMED'],
  ])('is refused with %s [SPIFFE Trust Domain and Bundle 4]', (_, text, code) => {
    expect(codeOf(() => SpiffeBundle.parse(domain, text))).toBe(code)
  })

  it.each<[string, unknown, string]>([
    [
      'a certificate that is none',
      { use: 'x509-svid', kty: 'EC', x5c: ['MAA='] },
      'ERR_DER_MALFORMED',
    ],
    ['x5c that is not base64', { use: 'x509-svid', kty: 'EC', x5c: ['!'] }, 'ERR_BUNDLE_MALFORMED'],
    ['a JWT key without ID', { ...jwk, kid: undefined }, 'ERR_BUNDLE_MALFORMED'],
    ['a JWT key with an empty ID', { ...jwk, kid: '' }, 'ERR_BUNDLE_MALFORMED'],
    ['a point off the curve', { ...jwk, x: ecKey.y }, 'ERR_BUNDLE_MALFORMED'],
    ['a coordinate that is a number', { ...jwk, x: 1 }, 'ERR_BUNDLE_MALFORMED'],
  ])('is refused with %s', (_, entry, code) => {
    expect(codeOf(() => parse([entry]))).toBe(code)
  })

  it('may say with null that its publisher neither counts nor says when to look again', () => {
    const bundle = parse([], { spiffe_sequence: null, spiffe_refresh_hint: null })
    expect([bundle.sequenceNumber, bundle.refreshHintSeconds]).toEqual([undefined, undefined])
  })

  it('is refused when one key ID names two keys', () => {
    const other = generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey
    const twin = { ...other.export({ format: 'jwk' }), kid: 'k', use: 'jwt-svid' }
    expect(codeOf(() => parse([jwk, twin]))).toBe('ERR_BUNDLE_MALFORMED')
    expect(parse([jwk, jwk]).jwt.authorities.length).toBe(1)
  })

  it.each<[string, object]>([
    ['an unknown key type [4.2.1]', { ...jwk, kty: 'AKP', kid: 'new' }],
    ['a symmetric key', { kty: 'oct', k: 'c2VjcmV0', kid: 'new', use: 'jwt-svid' }],
    ['an unknown curve', { ...jwk, crv: 'secp256k1', kid: 'new' }],
    ['an RSA key of 1024 bits', rsa1024()],
    ['an unknown use [4.2.2]', { ...jwk, kid: 'new', use: 'sig' }],
    ['no use [4.2.2]', { ...jwk, kid: 'new', use: undefined }],
    ['a use in another case [4.2.2]', { ...jwk, kid: 'new', use: 'JWT-SVID' }],
    ['a WIT key', { ...jwk, kid: 'new', use: 'wit-svid' }],
    ['an X.509 entry without x5c [X509-SVID 6.2]', { ...ecKey, use: 'x509-svid' }],
    ['an X.509 entry with an empty x5c [X509-SVID 6.2]', { ...ecKey, use: 'x509-svid', x5c: [] }],
  ])('keeps its other keys when it has %s', (_, entry) => {
    const bundle = parse([entry, jwk, { use: 'x509-svid', kty: 'EC', x5c }])
    expect(bundle.jwt.authorities.map(({ keyId }) => keyId)).toEqual(['k'])
    expect(bundle.x509.authorities.length).toBe(1)
  })

  it.each<[string, object, string]>([
    ['no use', { ...jwk, use: undefined }, 'missing use for key entry 0'],
    ['an unknown use', { ...jwk, use: 'other' }, 'unrecognized use "other" for key entry 0'],
    ['no key ID', { ...jwk, kid: '' }, 'missing key ID in jwt-svid entry 0'],
    [
      'two certificates',
      { use: 'x509-svid', kty: 'EC', x5c: [...x5c, ...x5c] },
      'expected a single certificate in x509-svid entry 0; got 2',
    ],
  ])(
    'is refused with %s where an operator hands it over, with SPIRE’s text',
    (_, entry, message) => {
      const text = JSON.stringify({ keys: [entry] })
      expect(() => SpiffeBundle.parse(domain, text, { unknownEntries: 'refuse' })).toThrow(message)
    },
  )

  it('trusts nothing when its keys are empty [4.1.3]', () => {
    const bundle = parse([])
    expect([bundle.x509.authorities, bundle.jwt.authorities]).toEqual([[], []])
    expect(bundle.marshal()).toBe('{\n    "keys": []\n}')
  })

  it('prints as SPIRE’s bundle endpoint does, byte for byte', () => {
    const bundle = new SpiffeBundle(domain, {
      x509Authorities: [root],
      jwtAuthorities: [{ keyId: 'a<b>&c', publicKey: createPublicKey(ca.jwtKey) }],
      sequenceNumber: 18446744073709551615n,
      refreshHintSeconds: 300,
    })
    const { x, y } = root.publicKey.export({ format: 'jwk' })
    expect(bundle.marshal()).toBe(`{
    "keys": [
        {
            "use": "x509-svid",
            "kty": "EC",
            "crv": "P-256",
            "x": "${x}",
            "y": "${y}",
            "x5c": [
                "${x5c[0]}"
            ]
        },
        {
            "use": "jwt-svid",
            "kty": "EC",
            "kid": "a\\u003cb\\u003e\\u0026c",
            "crv": "P-256",
            "x": "${ecKey.x}",
            "y": "${ecKey.y}"
        }
    ],
    "spiffe_sequence": 18446744073709551615,
    "spiffe_refresh_hint": 300
}`)
    expect(SpiffeBundle.parse(domain, bundle.marshal()).equals(bundle)).toBe(true)
  })

  it('leaves out a sequence and a refresh hint of 0, as SPIRE does', () => {
    const empty = { x509Authorities: [], jwtAuthorities: [] }
    const bundle = new SpiffeBundle(domain, { ...empty, sequenceNumber: 0n, refreshHintSeconds: 0 })
    expect(bundle.marshal()).toBe('{\n    "keys": []\n}')
  })

  it('reads a sequence of 64 bits exactly', () => {
    const text = '{"keys":[],"spiffe_sequence":18446744073709551615}'
    expect(SpiffeBundle.parse(domain, text).sequenceNumber).toBe(18446744073709551615n)
  })

  it('is read or refused with a code, whatever JSON it is', () => {
    fc.assert(
      fc.property(fc.json(), (text) => {
        for (const one of [text, `{"keys":${text}}`, `{"keys":[${text}]}`])
          expect(codeOf(() => SpiffeBundle.parse(domain, one)) ?? 'ERR_').toMatch(/^ERR_/)
      }),
      { numRuns: 300 },
    )
  })
})

function rsa1024(): object {
  const { publicKey } = generateKeyPairSync('rsa', { modulusLength: 1024 })
  return { ...publicKey.export({ format: 'jwk' }), kid: 'new', use: 'jwt-svid' }
}

describe('a JWT bundle', () => {
  it('prints as the Workload API carries it: no use', () => {
    const text = ca.jwtBundle.marshal()
    expect(JSON.parse(text)).toEqual({ keys: [{ ...ecKey, kid: ca.jwtKeyId }] })
    expect(text.startsWith('{\n    "keys": [\n        {\n            "kty": "EC",')).toBe(true)
    expect(JwtBundle.parse(domain, text).equals(ca.jwtBundle)).toBe(true)
  })

  it('is a key set that jose verifies our tokens with', async () => {
    const keys = createLocalJWKSet(JSON.parse(ca.jwtBundle.marshal()))
    const { payload } = await jwtVerify(ca.signJwtSvid('/web'), keys, { audience: 'test' })
    expect(payload.sub).toBe('spiffe://example.org/web')
  })

  it('reads RSA and EC keys that jose writes', async () => {
    const pairs = [
      generateKeyPairSync('rsa', { modulusLength: 2048 }),
      generateKeyPairSync('ec', { namedCurve: 'P-384' }),
      generateKeyPairSync('ec', { namedCurve: 'P-521' }),
    ]
    const keys = await Promise.all(
      pairs.map(async ({ publicKey }, i) => ({ ...(await exportJWK(publicKey)), kid: `k${i}` })),
    )
    const bundle = JwtBundle.parse(domain, JSON.stringify({ keys }))
    for (const [i, { publicKey }] of pairs.entries())
      expect(bundle.findAuthority(`k${i}`)?.equals(publicKey)).toBe(true)
    expect(bundle.findAuthority('toString')).toBeUndefined()
  })
})

describe('an X.509 bundle', () => {
  it('reads what it writes, DER and PEM, each root once', () => {
    const bundle = new X509Bundle(domain, [root, TestCa.create(domain).certificate, root])
    expect(bundle.authorities.length).toBe(2)
    expect(X509Bundle.parseDer(domain, bundle.marshalDer()).equals(bundle)).toBe(true)
    expect(X509Bundle.parsePem(domain, bundle.marshalPem()).equals(bundle)).toBe(true)
  })

  it('is empty when no bytes are sent, and refused when a PEM text holds no certificate', () => {
    expect(X509Bundle.parseDer(domain, Buffer.of()).authorities).toEqual([])
    expect(codeOf(() => X509Bundle.parsePem(domain, 'nothing'))).toBe('ERR_BUNDLE_MALFORMED')
  })
})

describe('a set of bundles', () => {
  it('finds each under its own trust domain only', () => {
    const foreign = TestCa.create('foreign.test')
    const x509 = new X509BundleSet([ca.x509Bundle, foreign.x509Bundle])
    const jwt = new JwtBundleSet([ca.jwtBundle])
    expect(x509.findX509Bundle(foreign.trustDomain)?.equals(foreign.x509Bundle)).toBe(true)
    expect(x509.findX509Bundle(TrustDomain.parse('unknown.test'))).toBeUndefined()
    expect(jwt.findJwtBundle(foreign.trustDomain)).toBeUndefined()
    expect(ca.bundle.findX509Bundle(foreign.trustDomain)).toBeUndefined()
  })
})
