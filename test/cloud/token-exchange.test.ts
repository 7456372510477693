import { inspect } from 'node:util'
import { FakeClock } from '@mini-spire/runtime/clock.test-kit'
import {
  ExchangeError,
  exchangeToken,
  TokenExchange,
  type TokenExchangeOptions,
  tokenTypes,
} from '@mini-spire/sdk/token-exchange'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { FakeTokenEndpoint } from '../kit/fake-token-endpoint.ts'
import { TokenScene } from '../kit/token-scene.ts'

let scene: TokenScene
let endpoint: FakeTokenEndpoint

beforeAll(async () => {
  scene = await TokenScene.start()
})
afterAll(() => scene[Symbol.asyncDispose]())
beforeEach(async () => {
  scene.tokens = {}
  endpoint = await FakeTokenEndpoint.start()
  endpoint.policy = scene.policy(endpoint.url)
})
afterEach(() => endpoint[Symbol.asyncDispose]())

const exchange = (options: Partial<TokenExchangeOptions> = {}): TokenExchange =>
  new TokenExchange({ svids: scene.svids, url: endpoint.url, ...options })

async function failureOf(options: Partial<TokenExchangeOptions> = {}): Promise<ExchangeError> {
  using source = exchange(options)
  const error = await source.getToken().then(
    () => undefined,
    (thrown: unknown) => thrown,
  )
  expect(error).toBeInstanceOf(ExchangeError)
  const said = inspect(error, { depth: 10, showHidden: true })
  for (const token of scene.handedOut)
    for (const part of token.split('.')) expect(said).not.toContain(part)
  return error as ExchangeError
}

describe('a token for a JWT-SVID [RFC 8693]', () => {
  it('comes with what the server says of it, and is never printed [RFC 8693 2.2.1]', async () => {
    endpoint.answer = { scope: 'read write' }
    using source = exchange()
    const got = await source.getToken()
    expect(got.token).toBe('exchanged-token')
    expect(got).toMatchObject({
      issuedTokenType: tokenTypes.accessToken,
      tokenType: 'Bearer',
      scope: ['read', 'write'],
    })
    expect(inspect(got)).not.toContain('exchanged-token')
    expect(JSON.stringify(got)).not.toContain('exchanged-token')
  })

  it('is asked for with every parameter that was given, and no other [RFC 8693 2.1]', async () => {
    using source = exchange({
      audience: ['a', 'b'],
      resource: ['https://r.example.com/'],
      scope: ['read', 'write'],
      requestedTokenType: tokenTypes.jwt,
      clientId: 'me',
    })
    await source.getToken()
    const [form] = endpoint.seen
    expect(form?.getAll('audience')).toEqual(['a', 'b'])
    expect(form?.get('resource')).toBe('https://r.example.com/')
    expect(form?.get('scope')).toBe('read write')
    expect(form?.get('requested_token_type')).toBe(tokenTypes.jwt)
    expect(form?.get('client_id')).toBe('me')
    using plain = exchange()
    await plain.getToken()
    expect([...(endpoint.seen[1]?.keys() ?? [])].sort()).toEqual([
      'grant_type',
      'subject_token',
      'subject_token_type',
    ])
  })

  it('is renewed ahead of its end, and then is another', async () => {
    const clock = new FakeClock(new Date())
    using source = exchange({ clock, chance: () => 0 })
    await source.getToken()
    expect(await source.getToken()).toHaveProperty('token', 'exchanged-token')
    endpoint.answer = { access_token: 'second-token' }
    scene.tokens = { ttlSeconds: 7200 }
    clock.advance(3_600_000 / 2)
    await expect.poll(async () => (await source.getToken()).token).toBe('second-token')
    expect(endpoint.seen).toHaveLength(2)
  })

  it('whose end is not said ends with the JWT-SVID', async () => {
    endpoint.answer = { expires_in: undefined }
    using source = exchange()
    const { expiresAt } = await source.getToken()
    const [, claims = ''] = scene.handedOut.at(-1)?.split('.') ?? []
    const { exp } = JSON.parse(Buffer.from(claims, 'base64url').toString())
    expect(expiresAt.getTime()).toBe(exp * 1000)
  })

  it.each([
    { what: 'for another audience', options: { subjectAudience: 'https://other.example.com/' } },
    { what: 'of another issuer', tokens: { claims: { iss: 'https://example.com' } } },
    { what: 'of another subject', tokens: { claims: { sub: 'spiffe://example.org/web' } } },
    { what: 'that somebody else signed', tokens: { header: { kid: 'other' } } },
  ])('is refused for one $what', async ({ tokens = {}, options }) => {
    scene.tokens = tokens
    const error = await failureOf(options)
    expect(error.code).toBe('ERR_EXCHANGE_REFUSED')
    expect(error.message).toBe('the token endpoint answers 400 (invalid_grant)')
  })

  it.each([
    { what: 'garbage', body: 'garbage', code: 'ERR_EXCHANGE_ANSWER' },
    { what: 'a list', body: '[]', code: 'ERR_EXCHANGE_ANSWER' },
    {
      what: 'no token',
      body: '{"issued_token_type":"a","token_type":"b"}',
      code: 'ERR_EXCHANGE_ANSWER',
    },
    {
      what: 'two tokens',
      body: '{"access_token":"a","access_token":"b","issued_token_type":"a","token_type":"b"}',
      code: 'ERR_EXCHANGE_ANSWER',
    },
    {
      what: 'a token with a line break',
      body: '{"access_token":"a\\nb","issued_token_type":"a","token_type":"b"}',
      code: 'ERR_EXCHANGE_ANSWER',
    },
    {
      what: 'a life below zero',
      body: '{"access_token":"a","issued_token_type":"a","token_type":"b","expires_in":-1}',
      code: 'ERR_EXCHANGE_ANSWER',
    },
    {
      what: 'a life without end',
      body: '{"access_token":"a","issued_token_type":"a","token_type":"b","expires_in":1e300}',
      code: 'ERR_EXCHANGE_ANSWER',
    },
    { what: 'more than is read', body: ' '.repeat(300_000), code: 'ERR_EXCHANGE_ANSWER' },
    {
      what: 'an unknown code',
      status: 400,
      body: '{"error":"made_up"}',
      code: 'ERR_EXCHANGE_REFUSED',
    },
    { what: 'no code', status: 401, body: 'made_up', code: 'ERR_EXCHANGE_REFUSED' },
    { what: 'a redirect', status: 308, body: '', code: 'ERR_EXCHANGE_ANSWER' },
    { what: 'that it is busy', status: 503, body: '', code: 'ERR_EXCHANGE_UNAVAILABLE' },
  ])('cannot be had when the server answers $what', async ({ status = 200, body, code }) => {
    const headers = { location: endpoint.url }
    endpoint.instead.push((response) => response.writeHead(status, headers).end(body))
    const error = await failureOf()
    expect(error.code).toBe(code)
    expect(error.message).not.toContain('made_up')
    expect(endpoint.seen).toHaveLength(1)
  })

  it('is refused with a URL that tokens must not be sent to', () => {
    for (const url of ['http://login.example.com/token', 'https://a:b@login.example.com/', 'x'])
      expect(() => exchange({ url })).toThrow(
        expect.objectContaining({ code: 'ERR_EXCHANGE_OPTION' }),
      )
  })
})

describe('a token for a token of a CI job', () => {
  it('is had once, without an agent', async () => {
    endpoint.policy = scene.policy('ci')
    const { token: subjectToken } = await scene.svids.fetchJwtSvid({ audience: ['ci'] })
    const { url } = endpoint
    expect(await exchangeToken({ url, subjectToken })).toHaveProperty('token', 'exchanged-token')
    const stopped = { url, subjectToken, signal: AbortSignal.abort(new Error('enough')) }
    await expect(exchangeToken(stopped)).rejects.toThrow('enough')
  })
})
