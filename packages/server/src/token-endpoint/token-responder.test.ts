import { request as httpsRequest } from 'node:https'
import { connect } from 'node:tls'
import { FakeClock } from '@mini-spire/runtime/clock.test-kit'
import { HttpsListener } from '@mini-spire/runtime/https/https-listener'
import type { LogFields, Logger } from '@mini-spire/runtime/log/logger'
import { silentLogger } from '@mini-spire/runtime/log/logger'
import { SpiffeId } from '@mini-spire/sdk/spiffe-id'
import { TestCa } from '@mini-spire/sdk/testing'
import { pemEncode } from '@mini-spire/sdk/x509'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { SvidCertificate } from '../bundle-endpoint/svid-certificate.ts'
import { ExchangeError, type ExchangeErrorCode } from '../exchange/exchange-error.ts'
import type {
  ExchangeContext,
  ExchangedSvid,
  ExchangeRequest,
} from '../exchange/exchange-request.ts'
import { IssuanceError } from '../issuance/issuance-error.ts'
import type { ExchangeLimits } from './request-limits.ts'
import { tokenTypes } from './token-request.ts'
import { type ExchangeOutcome, tokenResponder } from './token-responder.ts'

const ca = TestCa.create('example.org')
const root = pemEncode('CERTIFICATE', ca.certificate.raw)
const secret = 'aaaaaaaaaa.bbbbbbbbbb.cccccccccc'
const spiffeId = SpiffeId.parse('spiffe://example.org/web')

const good = new URLSearchParams({
  grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
  subject_token: secret,
  subject_token_type: tokenTypes.idToken,
  audience: 'api',
}).toString()

let exchange: (request: ExchangeRequest, context: ExchangeContext) => Promise<ExchangedSvid>
let clock: FakeClock
let lines: [string, LogFields][]
let outcomes: ExchangeOutcome[]
let onFinished: () => void
let listener: HttpsListener | undefined
let port = 0

const log: Logger = {
  ...silentLogger,
  with: () => log,
  info: (message, fields = {}) => lines.push([message, fields]),
  warn: (message, fields = {}) => lines.push([message, fields]),
}

async function listen(limits: Partial<ExchangeLimits> = {}): Promise<void> {
  const { privateKey: key, chain } = ca.issueX509Svid('/spire/server')
  const answer = tokenResponder({
    exchange: { exchange: (request, context) => exchange(request, context) },
    roots: () => [ca.certificate.raw],
    isAuditEnabled: true,
    limits,
    onFinished: (outcome) => {
      outcomes.push(outcome)
      onFinished()
    },
    clock,
    log,
  })
  listener = new HttpsListener({
    host: '127.0.0.1',
    port: 0,
    certificate: new SvidCertificate(() => ({ key, chain: chain.map(({ raw }) => raw) })),
    answer,
    clock,
    log: silentLogger,
  })
  port = (await listener.listen()).port
}

beforeEach(() => {
  clock = new FakeClock()
  lines = []
  outcomes = []
  onFinished = () => {}
  exchange = async (_, { audit, onIssuer }) => {
    onIssuer?.('ci')
    audit.addFields({ token_issuer: 'ci' })
    const expiresAtSeconds = clock.nowMs() / 1000 + 300
    return { kind: 'jwt-svid', spiffeId, token: 'x.y.z', expiresAtSeconds }
  }
})
afterEach(async () => {
  await listener?.[Symbol.asyncDispose]()
  listener = undefined
})

interface Asked {
  readonly method?: string
  readonly path?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string
}

interface Answer {
  readonly status: number | undefined
  readonly headers: Readonly<Record<string, unknown>>
  readonly body: string
}

const type = { 'content-type': 'application/x-www-form-urlencoded' }

function ask({
  method = 'POST',
  path = '/token',
  headers = type,
  body = good,
}: Asked = {}): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const host = '127.0.0.1'
    const trust = { ca: [root], checkServerIdentity: () => undefined, agent: false as const }
    const sent = httpsRequest({ host, port, path, method, headers, ...trust }, (response) => {
      let text = ''
      response.setEncoding('utf8').on('data', (piece: string) => {
        text += piece
      })
      response.once('end', () => {
        resolve({ status: response.statusCode, headers: response.headers, body: text })
      })
    })
    sent.once('error', reject)
    sent.end(body)
  })
}

const noStore = {
  'cache-control': 'no-store',
  pragma: 'no-cache',
  'content-type': 'application/json',
}

describe('the token endpoint', () => {
  it('answers with a token that nobody may keep [RFC 8693 2.2.1]', async () => {
    await listen()
    const { status, headers, body } = await ask()
    expect(status).toBe(200)
    expect(headers).toMatchObject(noStore)
    expect(JSON.parse(body)).toEqual({
      access_token: 'x.y.z',
      issued_token_type: tokenTypes.jwt,
      token_type: 'N_A',
      expires_in: 300,
      scope: 'spiffe://example.org/web',
    })
    expect(outcomes).toEqual([{ issuer: 'ci', durationMs: 0, code: 0 }])
    expect(lines).toEqual([
      ['API accessed', { type: 'audit', status: 'success', token_issuer: 'ci' }],
      ['Token exchanged', { token_issuer: 'ci', requested: 'jwt-svid' }],
    ])
  })

  it('calls an access token a bearer token', async () => {
    await listen()
    const { body } = await ask({ body: `${good}&requested_token_type=${tokenTypes.accessToken}` })
    const issued = { issued_token_type: tokenTypes.accessToken, token_type: 'Bearer' }
    expect(JSON.parse(body)).toMatchObject(issued)
  })

  it('answers with an X509-SVID, and the roots of the trust domain', async () => {
    await listen()
    const { chain } = ca.issueX509Svid('/web')
    exchange = async () => ({
      kind: 'x509-svid',
      spiffeId,
      chain: chain.map(({ raw }) => raw),
      expiresAtSeconds: 0,
    })
    const { body } = await ask()
    expect(JSON.parse(body)).toMatchObject({
      access_token: chain.map(({ raw }) => pemEncode('CERTIFICATE', raw)).join(''),
      expires_in: 0,
      x509_bundle: root,
    })
  })

  it.each<readonly [string, Asked, number, string]>([
    ['GET', { method: 'GET', body: '' }, 405, 'invalid_request'],
    ['PUT', { method: 'PUT' }, 405, 'invalid_request'],
    ['another path', { path: '/' }, 404, 'invalid_request'],
    ['a path that goes on', { path: '/token/' }, 404, 'invalid_request'],
    ['another spelling of the path', { path: '/%74oken' }, 404, 'invalid_request'],
    ['a query', { path: `/token?${good}`, body: '' }, 400, 'invalid_request'],
    [
      'JSON',
      { headers: { 'content-type': 'application/json' }, body: '{}' },
      400,
      'invalid_request',
    ],
    [
      'a form of several parts',
      { headers: { 'content-type': 'multipart/form-data; boundary=x' } },
      400,
      'invalid_request',
    ],
    [
      'another character set',
      { headers: { 'content-type': `${type['content-type']}; charset=utf-7` } },
      400,
      'invalid_request',
    ],
    ['no type', { headers: {} }, 400, 'invalid_request'],
    [
      'a compressed body',
      { headers: { ...type, 'content-encoding': 'gzip' } },
      400,
      'invalid_request',
    ],
    ['another grant type', { body: 'grant_type=password' }, 400, 'unsupported_grant_type'],
    ['no audience', { body: good.replace('audience=api', '') }, 400, 'invalid_request'],
    ['a scope that is no SPIFFE ID', { body: `${good}&scope=x` }, 400, 'invalid_scope'],
    ['a resource that is none', { body: `${good}&resource=x` }, 400, 'invalid_target'],
    ['a large body', { body: `${good}&x=${'y'.repeat(60_000)}` }, 413, 'invalid_request'],
  ])('refuses %s, and writes that down [RFC 6749 5.2]', async (_, asked, status, error) => {
    await listen()
    exchange = () => Promise.reject(new Error('was asked'))
    const answer = await ask(asked)
    expect(answer.status).toBe(status)
    expect(answer.headers).toMatchObject(noStore)
    expect(JSON.parse(answer.body)).toEqual({ error, error_description: expect.any(String) })
    if (status === 405) expect(answer.headers['allow']).toBe('POST')
    expect(lines.map(([message]) => message)).toEqual(['API accessed', 'Failed to exchange token'])
    expect(lines[0]?.[1]).toMatchObject({ type: 'audit', status: 'error' })
    expect(outcomes).toHaveLength(1)
    expect(JSON.stringify([answer, lines])).not.toContain('bbbbbbbbbb')
  })

  it.each<readonly [ExchangeErrorCode, number, string]>([
    ['ERR_EXCHANGE_TOKEN_MALFORMED', 400, 'invalid_request'],
    ['ERR_EXCHANGE_TOKEN_ISSUER', 400, 'invalid_request'],
    ['ERR_EXCHANGE_TOKEN_KEY', 400, 'invalid_request'],
    ['ERR_EXCHANGE_TOKEN_SIGNATURE', 400, 'invalid_request'],
    ['ERR_EXCHANGE_TOKEN_AUDIENCE', 400, 'invalid_request'],
    ['ERR_EXCHANGE_TOKEN_TIMES', 400, 'invalid_request'],
    ['ERR_EXCHANGE_TOKEN_RULES', 400, 'invalid_request'],
    ['ERR_EXCHANGE_TOKEN_USED', 400, 'invalid_request'],
    ['ERR_EXCHANGE_KEYS_UNAVAILABLE', 503, 'temporarily_unavailable'],
    ['ERR_EXCHANGE_NO_ENTRY', 400, 'invalid_scope'],
    ['ERR_EXCHANGE_AMBIGUOUS', 400, 'invalid_scope'],
    ['ERR_EXCHANGE_TARGET', 400, 'invalid_target'],
    ['ERR_EXCHANGE_DENIED', 400, 'unauthorized_client'],
    ['ERR_EXCHANGE_NOT_STORED', 503, 'temporarily_unavailable'],
  ])('answers %s with %i %s [RFC 8693 2.2.2]', async (code, status, error) => {
    await listen()
    exchange = () => Promise.reject(new ExchangeError(code, 'the reason "of it"'))
    const answer = await ask()
    expect(answer.status).toBe(status)
    const { error_description: description } = JSON.parse(answer.body)
    expect(JSON.parse(answer.body)).toEqual({ error, error_description: description })
    expect(description).toMatch(/^[\x20-\x21\x23-\x5b\x5d-\x7e]+$/)
    const [audit] = lines
    expect(audit?.[1]).toMatchObject({ status: 'error', status_message: 'the reason "of it"' })
  })

  it('tells a refused signing request from a server that cannot sign', async () => {
    await listen()
    exchange = () => Promise.reject(new IssuanceError('ERR_CSR_REFUSED', 'malformed CSR'))
    expect(await ask()).toMatchObject({ status: 400 })
    exchange = () =>
      Promise.reject(new IssuanceError('ERR_SIGNING_FAILED', 'key manager at 10.0.0.1'))
    const answer = await ask()
    expect(answer.status).toBe(500)
    expect(answer.body).not.toContain('10.0.0.1')
  })

  it('says nothing of a failure that nobody expected', async () => {
    await listen()
    exchange = () => Promise.reject(new Error('in /etc/passwd'))
    const answer = await ask()
    expect(answer.status).toBe(500)
    expect(JSON.parse(answer.body)).toMatchObject({ error: 'server_error' })
    expect(answer.body).not.toContain('passwd')
  })

  it('refuses more requests than one address may make, without a line for each', async () => {
    await listen({ requestsPerSecondPerAddress: 1 })
    const statuses: (number | undefined)[] = []
    for (let count = 0; count < 12; count++) statuses.push((await ask()).status)
    expect(statuses).toEqual([...Array(10).fill(200), 429, 429])
    expect(outcomes.slice(10)).toMatchObject([{ code: 8 }, { code: 8 }])
    expect(lines).toHaveLength(20)
    clock.advance(1_000)
    expect((await ask()).status).toBe(200)
  })

  it('refuses more requests at once than it has places for, and gives places back', async () => {
    await listen({ maxRequestsPerAddress: 2 })
    const answerLate = exchange
    let release = (): void => {}
    const released = new Promise<void>((resolve) => {
      release = resolve
    })
    let running = 0
    let bothRun = (): void => {}
    const both = new Promise<void>((resolve) => {
      bothRun = resolve
    })
    exchange = async (request, context) => {
      if (++running === 2) bothRun()
      await released
      return await answerLate(request, context)
    }
    const asked = [ask(), ask()]
    await both
    const refused = await ask()
    expect([refused.status, refused.headers['retry-after']]).toEqual([429, '10'])
    release()
    expect((await Promise.all(asked)).map(({ status }) => status)).toEqual([200, 200])
    expect((await ask()).status).toBe(200)
  })

  it('refuses a body that is too long before its end, and reads no further', async () => {
    await listen()
    const answer = await new Promise<number | undefined>((resolve, reject) => {
      const host = '127.0.0.1'
      const trust = { ca: [root], checkServerIdentity: () => undefined, agent: false as const }
      const target = { host, port, path: '/token', method: 'POST', headers: type }
      const sent = httpsRequest({ ...target, ...trust }, (response) => {
        resolve(response.statusCode)
        sent.destroy()
      })
      sent.once('error', reject)
      // More is to come, and never does.
      sent.write(`${good}&x=${'y'.repeat(60_000)}`)
    })
    expect(answer).toBe(413)
  })

  it('gives the place of a request back that is cut off in the middle', async () => {
    await listen({ maxRequestsPerAddress: 1 })
    for (let count = 0; count < 3; count++) {
      const socket = connect({
        host: '127.0.0.1',
        port,
        ca: [root],
        checkServerIdentity: () => undefined,
      })
      await new Promise<void>((resolve) => socket.once('secureConnect', resolve))
      const head = `POST /token HTTP/1.1\r\nhost: x\r\ncontent-type: ${type['content-type']}\r\ncontent-length: 100\r\n\r\nhalf`
      await new Promise<void>((resolve) => socket.write(head, () => resolve()))
      const finished = new Promise<void>((resolve) => {
        onFinished = resolve
      })
      socket.destroy()
      await finished
    }
    expect((await ask()).status).toBe(200)
  })
})
