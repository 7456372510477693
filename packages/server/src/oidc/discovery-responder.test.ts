import { generateKeyPairSync } from 'node:crypto'
import { request as httpRequest, type IncomingHttpHeaders } from 'node:http'
import { text } from 'node:stream/consumers'
import { systemClock } from '@mini-spire/runtime/clock'
import { HttpListener } from '@mini-spire/runtime/https/http-listener'
import { hostOf } from '@mini-spire/runtime/https/plain-answer'
import { type Logger, silentLogger } from '@mini-spire/runtime/log/logger'
import { afterEach, describe, expect, it } from 'vitest'
import { type DiscoveryResponderOptions, discoveryResponder } from './discovery-responder.ts'
import { keySetDocument } from './key-set-document.ts'
import type { KeySet, TokenKey } from './published-keys.ts'

const listeners: HttpListener[] = []
afterEach(async () => {
  for (const listener of listeners.splice(0)) await listener[Symbol.asyncDispose]()
})

const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const modifiedAt = new Date('2026-11-30T00:00:00Z')
const keySet: KeySet = { keys: [{ keyId: 'k1', publicKey }], modifiedAt }

async function serve(options: Partial<DiscoveryResponderOptions> = {}): Promise<number> {
  const listener = new HttpListener({
    address: { host: '127.0.0.1', port: 0 },
    answer: discoveryResponder({
      pathPrefix: '',
      urlsFor: (request) => {
        const host = hostOf(request)
        if (host === undefined) return { problem: 'no host' }
        return { issuer: `https://${host}`, jwksUri: `https://${host}/keys` }
      },
      keySet: () => keySet,
      setsKeyUse: false,
      log: silentLogger,
      ...options,
    }),
    clock: systemClock,
    log: silentLogger,
  })
  listeners.push(listener)
  return (await listener.listen()).port
}

interface Answer {
  readonly status: number | undefined
  readonly headers: IncomingHttpHeaders
  readonly body: string
}

function ask(
  port: number,
  path: string,
  { method = 'GET', headers = {} }: { method?: string; headers?: Record<string, string> } = {},
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const options = { host: '127.0.0.1', port, path, method, headers, agent: false as const }
    const sent = httpRequest(options, (response) => {
      const { statusCode: status, headers: got } = response
      text(response).then((body) => resolve({ status, headers: got, body }), reject)
    })
    sent.once('error', reject)
    sent.end()
  })
}

const wellKnown = '/.well-known/openid-configuration'

describe('OIDC discovery', () => {
  it('serves the document as SPIRE lays it out', async () => {
    const { status, headers, body } = await ask(await serve(), wellKnown, {
      headers: { host: 'example.test' },
    })
    expect(status).toBe(200)
    expect(headers).toMatchObject({ 'content-type': 'application/json' })
    expect(body).toBe(`{
  "issuer": "https://example.test",
  "jwks_uri": "https://example.test/keys",
  "authorization_endpoint": "",
  "response_types_supported": [
    "id_token"
  ],
  "subject_types_supported": [
    "public"
  ],
  "id_token_signing_alg_values_supported": [
    "RS256",
    "ES256",
    "ES384"
  ]
}`)
  })

  it('serves the keys as SPIRE lays them out, and has nobody keep them', async () => {
    const { status, headers, body } = await ask(await serve(), '/keys?x=1')
    const { x, y } = publicKey.export({ format: 'jwk' })
    expect(status).toBe(200)
    expect(headers).toMatchObject({
      'content-type': 'application/json',
      'cache-control': 'no-cache, no-store, must-revalidate',
      pragma: 'no-cache',
      expires: '0',
      'last-modified': 'Mon, 30 Nov 2026 00:00:00 GMT',
    })
    expect(body).toBe(`{
  "keys": [
    {
      "kty": "EC",
      "kid": "k1",
      "crv": "P-256",
      "alg": "ES256",
      "x": "${x}",
      "y": "${y}"
    }
  ]
}`)
  })

  it.each([
    ['HEAD', wellKnown, 405, ''],
    ['POST', wellKnown, 405, 'method not allowed\n'],
    ['OPTIONS', '/keys', 405, 'method not allowed\n'],
    ['PUT', '/keys', 405, 'method not allowed\n'],
    ['GET', '/', 404, '404 page not found\n'],
    ['GET', '/keys/', 404, '404 page not found\n'],
    ['GET', '/keys%00', 404, '404 page not found\n'],
    ['GET', '/constructor', 404, '404 page not found\n'],
    ['GET', '//evil.test', 404, '404 page not found\n'],
  ])('answers %s %s with %i', async (method, path, status, body) => {
    const answer = await ask(await serve(), path, { method })
    expect([answer.status, answer.body]).toEqual([status, body])
    expect(answer.headers).toMatchObject({ 'x-content-type-options': 'nosniff' })
  })

  it.each([
    [`/${wellKnown}`, wellKnown],
    ['//keys?a="<b>&c', '/keys?a=%22%3Cb%3E&c'],
    ['//evil.test/../keys', '/keys'],
    ['/x/../keys', '/keys'],
  ])('leads %s to %s, and nowhere else', async (path, location) => {
    const answer = await ask(await serve(), path)
    expect(answer).toMatchObject({ status: 307, headers: { location } })
    expect(answer.body).not.toMatch(/<b>|"</)
  })

  it('says that keys are not known yet, and that there are none', async () => {
    let keys: KeySet | undefined
    const port = await serve({ keySet: () => keys })
    expect(await ask(port, '/keys')).toMatchObject({
      status: 500,
      body: 'document not available\n',
    })
    keys = { keys: [], modifiedAt }
    expect(await ask(port, '/keys')).toMatchObject({
      status: 501,
      body: 'jwt not supported/enabled in this service\n',
    })
  })

  it('is found below a prefix', async () => {
    const port = await serve({ pathPrefix: '/tenant' })
    expect((await ask(port, `/tenant${wellKnown}`)).status).toBe(200)
    expect((await ask(port, '/tenant/keys')).status).toBe(200)
    expect((await ask(port, '/keys')).status).toBe(404)
  })

  it('answers no host that may not be asked for', async () => {
    const port = await serve({
      urlsFor: () => ({ problem: 'not here' }),
      keysRefusal: () => ({ problem: 'nor here' }),
    })
    expect(await ask(port, wellKnown)).toMatchObject({ status: 400, body: 'not here\n' })
    expect(await ask(port, '/keys')).toMatchObject({ status: 400, body: 'nor here\n' })
  })
})

describe('a key set', () => {
  it('names the algorithm of each key, and says of which it cannot', () => {
    const errors: unknown[] = []
    const log: Logger = { ...silentLogger, error: (_, fields) => void errors.push(fields) }
    const key = (keyId: string, made: { publicKey: TokenKey['publicKey'] }): TokenKey => ({
      keyId,
      publicKey: made.publicKey,
    })
    const keys = [
      key('rsa', generateKeyPairSync('rsa', { modulusLength: 2048 })),
      key('p384', generateKeyPairSync('ec', { namedCurve: 'P-384' })),
      key('short', generateKeyPairSync('rsa', { modulusLength: 1024 })),
      key('p521', generateKeyPairSync('ec', { namedCurve: 'P-521' })),
    ]
    const document = JSON.parse(keySetDocument(keys, { setsKeyUse: true, log }))
    expect(
      document.keys.map(({ kid, use, alg }: Record<string, unknown>) => [kid, use, alg]),
    ).toEqual([
      ['rsa', 'sig', 'RS256'],
      ['p384', 'sig', 'ES384'],
      ['short', 'sig', undefined],
      ['p521', 'sig', undefined],
    ])
    expect(errors).toEqual([
      { kid: 'short', error: 'unsupported RSA key size: 128' },
      { kid: 'p521', error: 'unable to determine signature algorithm for EC curve secp521r1' },
    ])
  })

  it('of a private key is never printed', () => {
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    const text = keySetDocument([{ keyId: 'k', publicKey: privateKey }], {
      setsKeyUse: false,
      log: silentLogger,
    })
    expect(Object.keys(JSON.parse(text).keys[0])).not.toContain('d')
  })
})
