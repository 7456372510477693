import { createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto'
import { SpiffeId } from '@mini-spire/sdk/spiffe-id'
import { decodeProtectedHeader, jwtVerify } from 'jose'
import { beforeEach, describe, expect, it } from 'vitest'
import type { AuthorityManager } from '../ca/authority-manager.ts'
import { TestState } from '../ca/ca.test-kit.ts'
import type { IssuanceRecord } from '../store/store.ts'
import { Issuer } from './issuer.ts'
import { readWitKey, witConfirmation } from './wit-confirmation.ts'

const spkiOf = (key: KeyObject): Uint8Array => key.export({ type: 'spki', format: 'der' })
const workload = generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey
const spiffeId = SpiffeId.parse('spiffe://example.org/web')
const request = {
  spiffeId,
  confirmation: witConfirmation(readWitKey(spkiOf(workload)), 'ES256'),
  ttlSeconds: 0,
  entryId: 'entry-1',
  requester: 'spiffe://example.org/spire/agent/x',
}

let state: TestState
let records: IssuanceRecord[]

const issuerOn = (authorities: AuthorityManager, witIssuer = ''): Issuer =>
  new Issuer({
    trustDomain: state.trustDomain,
    authorities,
    issuanceLog: { append: (record) => records.push(record) },
    clock: state.clock,
    ttls: {
      x509SvidTtlSeconds: 60,
      jwtSvidTtlSeconds: 60,
      agentSvidTtlSeconds: 60,
      caTtlSeconds: 60,
    },
    jwtIssuer: 'not this one',
    witIssuer,
  })

const started = async (): Promise<AuthorityManager> => {
  const manager = state.manager({ witKeyType: 'ec-p384' })
  await manager.start()
  return manager
}

beforeEach(() => {
  state = new TestState()
  records = []
})

describe('a WIT-SVID', () => {
  it('verifies with the WIT authority of the bundle, and is bound to the key of its holder', async () => {
    const { token } = await issuerOn(await started(), 'https://issuer').issueWitSvid(request)
    const authority = state.bundle().get()?.witAuthorities?.[0]
    if (!authority) throw new Error('no WIT authority in the bundle')
    expect(decodeProtectedHeader(token)).toEqual({
      alg: 'ES384',
      kid: authority.keyId,
      typ: 'wit+jwt',
    })
    const key = createPublicKey({
      key: Buffer.from(authority.publicKey),
      format: 'der',
      type: 'spki',
    })
    const { payload } = await jwtVerify(token, key, { currentDate: new Date(state.clock.nowMs()) })
    const nowSeconds = Math.floor(state.clock.nowMs() / 1000)
    expect(payload).toEqual({
      cnf: { jwk: { ...workload.export({ format: 'jwk' }), alg: 'ES256' } },
      exp: nowSeconds + 3600,
      iat: nowSeconds,
      iss: 'https://issuer',
      sub: 'spiffe://example.org/web',
    })
    expect(records).toMatchObject([{ type: 'wit-svid', entryId: 'entry-1' }])
  })

  it('is signed by none of the JWT authorities, and has no issuer unless one is configured', async () => {
    const { token } = await issuerOn(await started()).issueWitSvid(request)
    const { kid } = decodeProtectedHeader(token)
    expect(
      state
        .bundle()
        .get()
        ?.jwtAuthorities.map(({ keyId }) => keyId),
    ).not.toContain(kid)
    expect(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString()).not.toContain('"iss"')
  })

  it('never outlives its authority', async () => {
    const issuer = issuerOn(await started())
    const { expiresAtSeconds } = await issuer.issueWitSvid({ ...request, ttlSeconds: 1e6 })
    expect(expiresAtSeconds).toBe(Math.floor(state.clock.nowMs() / 1000) + 24 * 3600)
  })

  it('is none of an authority at its end', async () => {
    const issuer = issuerOn(await started())
    state.clock.advance(24 * 3600_000)
    await expect(issuer.issueWitSvid(request)).rejects.toThrow(
      /^failed to sign WIT-SVID: invalid WIT-SVID "exp" claim: already expired as of \d/,
    )
  })

  it('is refused where they are switched off', async () => {
    const manager = state.manager()
    await manager.start()
    expect(issuerOn(manager).isWitDisabled).toBe(true)
    expect(() => manager.wit()).toThrow(
      expect.objectContaining({ code: 'ERR_WIT_KEY_UNAVAILABLE' }),
    )
    expect(state.bundle().get()).not.toHaveProperty('witAuthorities')
    await expect(issuerOn(manager).issueWitSvid(request)).rejects.toMatchObject({
      kind: 'internal',
      message: 'failed to sign WIT-SVID: WIT key is not available for signing',
    })
  })
})

describe('WIT authorities', () => {
  it('outlast a restart', async () => {
    const before = await started()
    expect((await started()).wit().keyId).toBe(before.wit().keyId)
  })

  it('are prepared ahead of time, then change, and expire from the bundle', async () => {
    const manager = await started()
    const first = manager.wit().keyId
    state.clock.advance(13 * 3_600_000)
    await manager.tick()
    expect(state.bundle().get()?.witAuthorities).toHaveLength(2)
    expect(manager.wit().keyId).toBe(first)
    state.clock.advance(8 * 3_600_000)
    await manager.tick()
    expect(manager.wit().keyId).not.toBe(first)
    const cause = { actor: { class: 'server', id: 'test' }, requestId: '', reason: '' } as const
    await state.bundle().prune(new Date(state.clock.nowMs() + 4 * 3_600_000), cause)
    expect(
      state
        .bundle()
        .get()
        ?.witAuthorities?.map(({ keyId }) => keyId),
    ).toEqual([manager.wit().keyId])
  })
})

describe('a confirmation is refused', () => {
  it.each([
    ['rsa', 'ES256', 'unsupported signing algorithm for RSA key: ES256'],
    ['P-256', 'ES384', 'unsupported signing algorithm for ec-p256 key: ES384'],
    ['P-256', 'none', 'unsupported signing algorithm for ec-p256 key: none'],
    ['P-256', 'HS256', 'unsupported signing algorithm for ec-p256 key: HS256'],
    ['P-384', '', 'unsupported signing algorithm for ec-p384 key: '],
    ['P-521', 'ES256', 'unsupported signing algorithm for ec-p521 key: ES256'],
    ['ed25519', 'EdDSA', "unsupported key type 'ed25519.PublicKey'"],
  ])('for a key %s with the algorithm "%s"', (kind, algorithm, message) => {
    expect(() => witConfirmation(readWitKey(spkiOf(keyOf(kind))), algorithm)).toThrow(
      expect.objectContaining({ code: 'ERR_WIT_ALGORITHM_REFUSED', message }),
    )
  })
})

it.each([
  ['RSA with 512 bits', () => generateKeyPairSync('rsa', { modulusLength: 512 }).publicKey],
  ['RSA with 1024 bits', () => generateKeyPairSync('rsa', { modulusLength: 1024 }).publicKey],
  ['P-224', () => keyOf('P-224')],
])('a key %s is none of a workload', (_, make) => {
  expect(() => readWitKey(spkiOf(make()))).toThrow(
    expect.objectContaining({ code: 'ERR_PUBLIC_KEY_REFUSED' }),
  )
})

it('a confirmation of an RSA key names its modulus and exponent, and nothing of a curve', () => {
  const key = keyOf('rsa')
  expect(Object.keys(witConfirmation(readWitKey(spkiOf(key)), 'PS256'))).toEqual([
    'kty',
    'alg',
    'n',
    'e',
  ])
})

function keyOf(kind: string): KeyObject {
  if (kind === 'rsa') return generateKeyPairSync('rsa', { modulusLength: 2048 }).publicKey
  if (kind === 'ed25519') return generateKeyPairSync('ed25519').publicKey
  return generateKeyPairSync('ec', { namedCurve: kind }).publicKey
}
