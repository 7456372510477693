import { generateKeyPairSync } from 'node:crypto'
import { decodeJwt } from 'jose'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { testEntry } from '../../store/store.test-kit.ts'
import { ApiScene, failureOf } from '../api.test-kit.ts'
import { serveWitSvids } from './wit-service.test-kit.ts'

const publicKey = generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey.export({
  format: 'der',
  type: 'spki',
})
const id = { trustDomain: 'example.org', path: '/web' }
const request = { id, publicKey, ttl: 60, signingAlgorithm: 'ES256' }

let scene: ApiScene
beforeEach(() => {
  scene = new ApiScene()
})
afterEach(async () => {
  await scene[Symbol.asyncDispose]()
})

const serve = (isEnabled = true): ReturnType<typeof serveWitSvids> =>
  serveWitSvids(scene, isEnabled)

describe('a minted WIT-SVID', () => {
  it('is of the ID and the key in the request', async () => {
    const { svid } = await (await serve()).mintWitsvid(request)
    expect(svid?.id).toEqual(id)
    expect(decodeJwt(svid?.token ?? '')).toMatchObject({
      sub: 'spiffe://example.org/web',
      exp: Number(svid?.issuedAt) + 60,
      cnf: { jwk: { crv: 'P-256', alg: 'ES256' } },
    })
  })

  it.each([
    [{ id: { trustDomain: 'other.org', path: '/web' } }, /^invalid SPIFFE ID: /],
    [{ id: { trustDomain: 'example.org', path: '/spire/server' } }, /^invalid SPIFFE ID: /],
    [{ publicKey: Buffer.of(1) }, /^invalid public key: /],
    [{ signingAlgorithm: 'none' }, /^invalid signing algorithm or key type: unsupported signing/],
  ])('is refused for %j', async (wrong, message) => {
    const failure = await failureOf((await serve()).mintWitsvid({ ...request, ...wrong }))
    expect(failure).toEqual({ code: 3, message: expect.stringMatching(message) })
  })

  it('is not there while they are switched off', async () => {
    expect(await failureOf((await serve(false)).mintWitsvid(request))).toEqual({
      code: 12,
      message: 'WIT functionality is disabled',
    })
  })
})

describe('a batch of WIT-SVIDs', () => {
  const item = { entryId: 'mine', publicKey, signingAlgorithm: 'ES256' }

  it('answers each by itself, and signs for nobody but the entries of the agent', async () => {
    const { results } = await (await serve()).batchNewWitsvid({
      params: [
        item,
        { ...item, entryId: '' },
        { ...item, publicKey: new Uint8Array() },
        { ...item, entryId: 'theirs' },
        { ...item, publicKey: Buffer.of(1) },
        { ...item, signingAlgorithm: 'HS256' },
      ],
    })
    expect(results.map(({ status }) => [status?.code, status?.message])).toEqual([
      [0, 'OK'],
      [3, 'missing entry ID'],
      [3, 'missing public key'],
      [5, 'entry not found or not authorized'],
      [3, expect.stringMatching(/^malformed public key: /)],
      [3, expect.stringMatching(/^invalid signing algorithm or key type: /)],
    ])
    expect(results.map(({ svid }) => svid !== undefined)).toEqual([true, ...Array(5).fill(false)])
    expect(decodeJwt(results[0]?.svid?.token ?? '').sub).toBe(String(testEntry('mine').spiffeId))
  })

  it('has the same status for every item while they are switched off', async () => {
    const { results } = await (await serve(false)).batchNewWitsvid({ params: [item] })
    expect(results).toMatchObject([
      {
        status: {
          code: 13,
          message: 'failed to sign WIT-SVID: WIT key is not available for signing',
        },
      },
    ])
  })
})
