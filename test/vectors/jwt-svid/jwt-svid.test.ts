import { createPublicKey, generateKeyPairSync, sign } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { cpuMsOf } from '@mini-spire/runtime/cpu-time.test-kit'
import { JwtBundle, JwtBundleSet, jwtAuthorityFromSpki } from '@mini-spire/sdk/bundle'
import { parseJwtSvidInsecure, verifyJwtSvid } from '@mini-spire/sdk/jwt-svid'
import { TestCa } from '@mini-spire/sdk/testing'
import fc from 'fast-check'
import { jwtVerify, SignJWT } from 'jose'
import { describe, expect, it } from 'vitest'

/** One token: what it says otherwise than a good one (null removes), and the code it is refused with. */
interface Vector {
  readonly title: string
  readonly header?: Readonly<Record<string, unknown>>
  readonly claims?: Readonly<Record<string, unknown>>
  readonly rawClaims?: string
  /** `<good>` stands for a good token. */
  readonly token?: string
  readonly signedBy?: 'attacker'
  /** Left out: the token is good. */
  readonly code?: string
}

const vectors: readonly Vector[] = JSON.parse(
  readFileSync(new URL('vectors.json', import.meta.url), 'utf8'),
)
const now = new Date(1_000_000_000_000)
const ca = TestCa.create('example.org', { now: () => now })
const foreign = TestCa.create('foreign.test', { now: () => now })
const attacker = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey
const bundles = new JwtBundleSet([ca.jwtBundle, foreign.jwtBundle])
const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 })
const good = ca.signJwtSvid('/web')

const placeholders = new Map<unknown, unknown>([
  ['<foreign>', foreign.jwtKeyId],
  ['<attacker>', createPublicKey(attacker).export({ format: 'jwk' })],
])

function present(members: Readonly<Record<string, unknown>> = {}): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(members).map(([name, value]) => [
      name,
      value === null ? undefined : (placeholders.get(value) ?? value),
    ]),
  )
}

function tokenOf(vector: Vector): string {
  if (vector.token !== undefined) return vector.token.replace('<good>', good)
  const key = vector.signedBy ? attacker : ca.jwtKey
  const token = ca.signJwtSvid('/web', {
    header: present(vector.header),
    claims: present(vector.claims),
    key,
  })
  return vector.rawClaims === undefined ? token : withClaims(token, vector.rawClaims)
}

function withClaims(token: string, claims: string): string {
  const [header = ''] = token.split('.')
  const signed = `${header}.${Buffer.from(claims).toString('base64url')}`
  const signature = sign('sha256', Buffer.from(signed), {
    key: ca.jwtKey,
    dsaEncoding: 'ieee-p1363',
  })
  return `${signed}.${signature.toString('base64url')}`
}

function codeOf(token: string): string | undefined {
  try {
    verifyJwtSvid(token, { audience: 'test', bundles, now })
    return undefined
  } catch (error) {
    return (error as { code?: string }).code ?? String(error)
  }
}

describe('a JWT-SVID', () => {
  it.each(vectors)('$title', (vector) => {
    expect(codeOf(tokenOf(vector))).toBe(vector.code)
  })

  it('is returned with what it says, without prototype, and prints no token', () => {
    const svid = verifyJwtSvid(ca.signJwtSvid('/web', { claims: { team: 'a' } }), {
      audience: ['x', 'test'],
      bundles,
      now,
    })
    expect(svid.spiffeId.toString()).toBe('spiffe://example.org/web')
    expect(svid.audience).toEqual(['test'])
    expect(svid.expiresAt).toEqual(new Date(1_000_000_300_000))
    expect(svid.claims['team']).toBe('a')
    expect(Object.getPrototypeOf(svid.claims)).toBeNull()
    expect(JSON.stringify(svid)).not.toContain(svid.token.split('.')[2])
  })

  it('names both audiences as Go prints them', () => {
    const token = ca.signJwtSvid('/web', { audience: ['a'] })
    expect(() => verifyJwtSvid(token, { audience: 'b', bundles, now })).toThrow(
      'expected audience in ["b"] (audience=["a"])',
    )
  })

  it.each([
    ['RS256', rsa],
    ['RS512', rsa],
    ['PS256', rsa],
    ['PS384', rsa],
    ['ES384', generateKeyPairSync('ec', { namedCurve: 'P-384' })],
    ['ES512', generateKeyPairSync('ec', { namedCurve: 'P-521' })],
  ])('that jose signed with %s verifies [JWT-SVID 2.1]', async (alg, { privateKey, publicKey }) => {
    const token = await new SignJWT({ sub: 'spiffe://example.org/web', aud: 'test', exp: 2e9 })
      .setProtectedHeader({ alg, kid: 'k' })
      .sign(privateKey)
    const spki = publicKey.export({ type: 'spki', format: 'der' })
    const bundle = new JwtBundle(ca.trustDomain, [jwtAuthorityFromSpki('k', spki)])
    expect(verifyJwtSvid(token, { audience: 'test', bundles: bundle, now }).spiffeId.path).toBe(
      '/web',
    )
    const [head = '', body = '', signature = ''] = token.split('.')
    const turned = Buffer.from(signature, 'base64url').reverse().toString('base64url')
    expect(() =>
      verifyJwtSvid(`${head}.${body}.${turned}`, { audience: 'test', bundles: bundle, now }),
    ).toThrow(expect.objectContaining({ code: 'ERR_JWT_SVID_SIGNATURE' }))
  })

  it('that is changed in any character is refused by us exactly when jose refuses it', async () => {
    const verifyByJose = (token: string): Promise<boolean> =>
      jwtVerify(token, createPublicKey(ca.jwtKey), { audience: 'test', currentDate: now }).then(
        () => true,
        () => false,
      )
    await fc.assert(
      fc.asyncProperty(fc.nat(good.length - 1), fc.base64String(), async (at, text) => {
        const changed = good.slice(0, at) + (text[0] ?? 'A') + good.slice(at + 1)
        const isGood = codeOf(changed) === undefined
        if (isGood) expect(await verifyByJose(changed)).toBe(true)
        if (changed !== good) expect(isGood).toBe(false)
      }),
    )
  })

  it('is read or refused with a code, whatever is thrown at it', () => {
    const parts = fc.array(fc.oneof(fc.base64String(), fc.json().map(encode), fc.string()), {
      maxLength: 5,
    })
    fc.assert(
      fc.property(parts, (list) => {
        expect(codeOf(list.join('.'))).toMatch(/^ERR_JWT_SVID_/)
      }),
      { numRuns: 500 },
    )
  })

  it.each([
    ['a million dots', '.'.repeat(1_000_000)],
    ['10 MB of text', 'a'.repeat(10_000_000)],
    ['deep nesting', `e30.${encode('['.repeat(40_000))}.AA`],
  ])('costs next to nothing: %s', async (_, token) => {
    const cpuMs = await cpuMsOf(() => expect(codeOf(token)).toMatch(/^ERR_JWT_SVID_/))
    expect(cpuMs).toBeLessThan(200)
  })

  it('of our own is read without verification, hint included', () => {
    const svid = parseJwtSvidInsecure(good, { hint: 'internal' })
    expect([svid.hint, svid.token]).toEqual(['internal', good])
  })
})

function encode(text: string): string {
  return Buffer.from(text).toString('base64url')
}

describe('a source of bundles that gives another trust domain’s', () => {
  it('makes its keys vouch for nobody [gate 7]', () => {
    const header = { kid: foreign.jwtKeyId }
    const forged = ca.signJwtSvid('/web', { key: foreign.jwtKey, header })
    const lying = { findJwtBundle: () => foreign.jwtBundle }
    expect(() => verifyJwtSvid(forged, { audience: 'test', bundles: lying, now })).toThrow(
      expect.objectContaining({ code: 'ERR_JWT_SVID_BUNDLE_NOT_FOUND' }),
    )
  })
})
