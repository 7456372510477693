import { createPublicKey, generateKeyPairSync } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { SpiffeBundle } from '@mini-spire/sdk/bundle'
import { verifyJwtSvid } from '@mini-spire/sdk/jwt-svid'
import { TestCa } from '@mini-spire/sdk/testing'
import { ApiScene, failureOf } from '@mini-spire/server/api/api.test-kit'
import { serveWitSvids } from '@mini-spire/server/api/svid/wit-service.test-kit'
import { decodeJwt, decodeProtectedHeader } from 'jose'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { messageOfRequest, witRequests } from './wit-requests.ts'

/** A WIT-SVID that says something else than one does (null removes), and why it is no JWT-SVID. */
interface TokenVector {
  readonly title: string
  readonly header?: Readonly<Record<string, unknown>>
  readonly claims?: Readonly<Record<string, unknown>>
  readonly signedBy?: 'jwt'
  readonly strict: string
  /** Where any type is let through, as SPIRE's agent does. */
  readonly lenient: string
}

const tokens: readonly TokenVector[] = JSON.parse(
  readFileSync(new URL('tokens.json', import.meta.url), 'utf8'),
)
const now = new Date(1_000_000_000_000)
const ca = TestCa.create('example.org', { now: () => now })
const witKey = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey
const jwkOf = (key: typeof witKey) => createPublicKey(key).export({ format: 'jwk' })
const bundle = SpiffeBundle.parse(
  ca.trustDomain,
  JSON.stringify({
    keys: [
      { ...jwkOf(ca.jwtKey), kid: ca.jwtKeyId, use: 'jwt-svid' },
      { ...jwkOf(witKey), kid: 'wit', use: 'wit-svid' },
    ],
  }),
)
const placeholders = new Map<unknown, unknown>([
  ['<jwt>', ca.jwtKeyId],
  ['<wit>', jwkOf(witKey)],
])

function present(members: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(members).map(([name, value]) => [
      name,
      value === null ? undefined : (placeholders.get(value) ?? value),
    ]),
  )
}

function tokenOf({ header, claims, signedBy }: TokenVector): string {
  return ca.signJwtSvid('/web', {
    header: present({ typ: 'wit+jwt', kid: 'wit', ...header }),
    claims: present({ aud: null, cnf: { jwk: { ...jwkOf(witKey), alg: 'ES256' } }, ...claims }),
    key: signedBy ? ca.jwtKey : witKey,
  })
}

function codeOf(token: string, ignoresType: boolean): string | undefined {
  try {
    verifyJwtSvid(token, { audience: 'test', bundles: bundle, now, ignoresType })
    return undefined
  } catch (error) {
    return (error as { code?: string }).code ?? String(error)
  }
}

describe('a WIT-SVID is no JWT-SVID', () => {
  it.each(tokens)('$title', (vector) => {
    const token = tokenOf(vector)
    expect({ strict: codeOf(token, false), lenient: codeOf(token, true) }).toEqual({
      strict: vector.strict,
      lenient: vector.lenient,
    })
  })

  it('but a JWT-SVID may say which key its holder has', () => {
    expect(codeOf(ca.signJwtSvid('/web', { claims: { cnf: { jwk: {} } } }), false)).toBeUndefined()
  })
})

describe('a request for a WIT-SVID', () => {
  let scene: ApiScene
  let client: Awaited<ReturnType<typeof serveWitSvids>>
  beforeAll(async () => {
    scene = new ApiScene()
    client = await serveWitSvids(scene)
  })
  afterAll(async () => {
    await scene[Symbol.asyncDispose]()
  })

  const refused = witRequests.filter(({ refusal }) => refusal !== undefined)
  it.each(refused)('is refused with $title', async (request) => {
    const { code, message } = await failureOf(client.mintWitsvid(messageOfRequest(request)))
    expect({ code, message: message.slice(0, request.refusal?.length) }).toEqual({
      code: 3,
      message: request.refusal,
    })
  })

  // A batch names entries, not IDs.
  it.each(refused.filter(({ id }) => id === undefined))(
    'in a batch is refused with $title, and the one beside it is not',
    async (request) => {
      const { publicKey, signingAlgorithm } = messageOfRequest(request)
      const [good] = witRequests
      if (!good) throw new Error('no request')
      const { results } = await client.batchNewWitsvid({
        params: [
          { entryId: 'mine', publicKey, signingAlgorithm },
          { ...messageOfRequest(good), entryId: 'mine' },
        ],
      })
      const [first, second] = results
      const refusal =
        publicKey.length === 0
          ? 'missing public key'
          : request.refusal?.replace('invalid public key: ', 'malformed public key: ')
      expect(first?.svid).toBeUndefined()
      expect(first?.status?.code).toBe(3)
      expect(first?.status?.message.slice(0, refusal?.length)).toBe(refusal)
      expect(second?.status).toEqual({ code: 0, message: 'OK' })
    },
  )

  it.each(witRequests.filter(({ refusal }) => refusal === undefined))(
    'is answered with a token for exactly that: $title',
    async (request) => {
      const { svid } = await client.mintWitsvid(messageOfRequest(request))
      const { kid, ...header } = decodeProtectedHeader(svid?.token ?? '')
      expect([header, typeof kid]).toEqual([{ alg: 'ES256', typ: 'wit+jwt' }, 'string'])
      const claims = decodeJwt<{ cnf: { jwk: Record<string, string> } }>(svid?.token ?? '')
      expect(Object.keys(claims).sort()).toEqual(['cnf', 'exp', 'iat', 'sub'])
      expect(Object.keys(claims.cnf)).toEqual(['jwk'])
      const { jwk } = claims.cnf
      const members =
        jwk['kty'] === 'RSA' ? ['alg', 'e', 'kty', 'n'] : ['alg', 'crv', 'kty', 'x', 'y']
      expect(Object.keys(jwk).sort()).toEqual(members)
      expect(jwk['alg']).toBe(request.algorithm)
      expect(
        createPublicKey({ key: jwk, format: 'jwk' }).export({ type: 'spki', format: 'der' }),
      ).toEqual(messageOfRequest(request).publicKey)
    },
  )
})
