import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { inspect } from 'node:util'
import {
  createIdentityPoolClient,
  GoogleSubjectTokens,
  type GoogleSubjectTokensOptions,
} from '@mini-spire/sdk/gcp'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { FakeTokenEndpoint } from '../kit/fake-token-endpoint.ts'
import { TokenScene } from '../kit/token-scene.ts'

const provider =
  '//iam.googleapis.com/projects/123456/locations/global/workloadIdentityPools/spiffe/providers/example-org'
const context = {
  audience: provider,
  subjectTokenType: 'urn:ietf:params:oauth:token-type:jwt',
}
let scene: TokenScene
let google: FakeTokenEndpoint

beforeAll(async () => {
  scene = await TokenScene.start()
})
afterAll(() => scene[Symbol.asyncDispose]())
beforeEach(async () => {
  scene.tokens = {}
  google = await FakeTokenEndpoint.start()
  google.policy = scene.policy(`https:${provider}`)
})
afterEach(() => google[Symbol.asyncDispose]())

const subjects = (options: Partial<GoogleSubjectTokensOptions> = {}): GoogleSubjectTokens =>
  new GoogleSubjectTokens({ svids: scene.svids, provider, ...options })

describe("google-auth-library's client of an identity pool", () => {
  it('has an access token for a JWT-SVID whose keys were fetched', async () => {
    using tokens = subjects()
    const before = scene.discovery.keyFetches
    const client = await createIdentityPoolClient({ tokens, tokenUrl: google.url })
    expect((await client.getAccessToken()).token).toBe('exchanged-token')
    expect(scene.discovery.keyFetches).toBe(before + 1)
    const [form] = google.seen
    expect(form?.get('audience')).toBe(provider)
    expect(form?.get('subject_token')).toBe(scene.handedOut.at(-1))
    await client.getAccessToken()
    expect(google.seen).toHaveLength(1)
  })

  it('acts as a service account', async () => {
    const seen: unknown[] = []
    const iam = createServer((request, response) => {
      seen.push([request.url, request.headers.authorization])
      const expireTime = new Date(Date.now() + 3_600_000).toISOString()
      response.setHeader('content-type', 'application/json')
      response.end(JSON.stringify({ accessToken: 'as-service-account', expireTime }))
    })
    await new Promise<void>((resolve) => iam.listen(0, '127.0.0.1', resolve))
    const iamCredentialsUrl = `http://127.0.0.1:${(iam.address() as AddressInfo).port}`
    const serviceAccount = 'web@project-1.iam.gserviceaccount.com'
    using tokens = subjects()
    const options = { tokens, tokenUrl: google.url, serviceAccount, iamCredentialsUrl }
    const client = await createIdentityPoolClient(options)
    expect((await client.getAccessToken()).token).toBe('as-service-account')
    const path = `/v1/projects/-/serviceAccounts/${serviceAccount}:generateAccessToken`
    expect(seen).toEqual([[path, 'Bearer exchanged-token']])
    iam.closeAllConnections()
    iam.close()
  })

  it.each([
    { what: 'for another audience', options: { audience: `https:${provider}/` } },
    { what: 'of another issuer', tokens: { claims: { iss: 'https://example.com' } } },
    { what: 'of another subject', tokens: { claims: { sub: 'spiffe://example.org/web' } } },
    { what: 'that somebody else signed', tokens: { header: { kid: 'other' } } },
  ])('is refused with a token $what', async ({ options, tokens: says = {} }) => {
    scene.tokens = says
    using tokens = subjects(options)
    const client = await createIdentityPoolClient({ tokens, tokenUrl: google.url })
    await expect(client.getAccessToken()).rejects.toThrow('invalid_grant')
  })

  it('sends no token that has ended, and says why', async () => {
    scene.tokens = { ttlSeconds: -1 }
    using tokens = subjects()
    const client = await createIdentityPoolClient({ tokens, tokenUrl: google.url })
    const error = await client.getAccessToken().catch((thrown: unknown) => thrown)
    expect(error).toMatchObject({ code: 'ERR_EXCHANGE_SUBJECT' })
    expect(inspect(error, { depth: 9 })).not.toContain(scene.handedOut.at(-1))
    expect(google.seen).toHaveLength(0)
  })

  it('is refused with an option that cannot be', async () => {
    using tokens = subjects()
    for (const options of [
      { tokens, serviceAccount: 'web@example.com' },
      { tokens, tokenUrl: 'http://sts.example.com/' },
      { tokens, serviceAccount: 'a@b.iam.gserviceaccount.com', iamCredentialsUrl: 'x' },
    ])
      await expect(createIdentityPoolClient(options)).rejects.toMatchObject({
        code: 'ERR_EXCHANGE_OPTION',
      })
  })
})

describe('subject tokens for Google', () => {
  it('are one JWT-SVID for all who ask, until it is renewed', async () => {
    using tokens = subjects()
    const before = scene.handedOut.length
    const all = await Promise.all([1, 2, 3].map(() => tokens.getSubjectToken(context)))
    expect(new Set(all).size).toBe(1)
    expect(scene.handedOut).toHaveLength(before + 1)
  })

  it('are not given to a client of another provider, or for another type of token', async () => {
    using tokens = subjects()
    for (const wrong of [
      { ...context, audience: `${provider}2` },
      { ...context, subjectTokenType: 'urn:ietf:params:oauth:token-type:saml2' },
    ])
      await expect(tokens.getSubjectToken(wrong)).rejects.toMatchObject({
        code: 'ERR_EXCHANGE_OPTION',
      })
  })

  it('are refused once closed, and for what is no provider', async () => {
    const tokens = subjects()
    tokens.close()
    await expect(tokens.getSubjectToken(context)).rejects.toMatchObject({
      code: 'ERR_EXCHANGE_CLOSED',
    })
    for (const wrong of [`https:${provider}`, provider.replace('123456', 'name'), `${provider}/x`])
      expect(() => subjects({ provider: wrong })).toThrow(
        expect.objectContaining({ code: 'ERR_EXCHANGE_OPTION' }),
      )
  })
})
