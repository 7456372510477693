import { setTimeout as later } from 'node:timers/promises'
import { inspect } from 'node:util'
import {
  ExchangeError,
  type JwtSvidSource,
  WebIdentityCredentials,
  type WebIdentityOptions,
} from '@mini-spire/sdk/aws'
import { SpiffeId } from '@mini-spire/sdk/spiffe-id'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { credentialsXml, FakeSts } from '../kit/fake-sts.ts'
import { TokenScene } from '../kit/token-scene.ts'

const roleArn = 'arn:aws:iam::123456789012:role/web'
const audience = 'sts.amazonaws.com'
let scene: TokenScene
let sts: FakeSts

beforeAll(async () => {
  scene = await TokenScene.start()
})
afterAll(() => scene[Symbol.asyncDispose]())
beforeEach(async () => {
  scene.tokens = {}
  sts = await FakeSts.start({ roleArn, policy: scene.policy(audience) })
})
afterEach(() => sts[Symbol.asyncDispose]())

function credentials(options: Partial<WebIdentityOptions> = {}): WebIdentityCredentials {
  const { svids } = scene
  return new WebIdentityCredentials({
    svids,
    roleArn,
    region: 'eu-central-1',
    endpoint: sts.endpoint,
    ...options,
  })
}

async function failureOf(options: Partial<WebIdentityOptions> = {}): Promise<ExchangeError> {
  using aws = credentials(options)
  const error = await aws.provider().then(
    () => undefined,
    (thrown: unknown) => thrown,
  )
  expect(error).toBeInstanceOf(ExchangeError)
  const said = inspect(error, { depth: 10, showHidden: true })
  for (const token of scene.handedOut)
    for (const part of token.split('.')) expect(said).not.toContain(part)
  return error as ExchangeError
}

describe('AWS credentials for a JWT-SVID', () => {
  it('come in the shape that clients of @aws-sdk take, from a token whose keys STS fetched', async () => {
    using aws = credentials()
    const before = scene.discovery.keyFetches
    expect(await aws.provider()).toEqual({
      accessKeyId: 'ASIAEXAMPLE',
      secretAccessKey: 'secret/key+1',
      sessionToken: 'session/token+with=signs',
      expiration: new Date(4e12),
    })
    expect(scene.discovery.keyFetches).toBe(before + 1)
  })

  it('are asked for once, however many clients share the provider', async () => {
    using aws = credentials()
    await Promise.all(Array.from({ length: 20 }, () => aws.provider()))
    expect(sts.seen).toHaveLength(1)
  })

  it('name the session after the identity, in letters that AWS knows', async () => {
    using aws = credentials({ durationSeconds: 900, sessionPolicy: '{"Version":"2012-10-17"}' })
    await aws.provider()
    expect(Object.fromEntries(sts.seen[0] ?? [])).toMatchObject({
      RoleSessionName: 'web-db',
      DurationSeconds: '900',
      Policy: '{"Version":"2012-10-17"}',
    })
  })

  it.each([
    {
      what: 'for another audience',
      options: { audience: 'sts.amazonaws.com.' },
      says: 'InvalidIdentityToken',
    },
    {
      what: 'for an audience in other case',
      options: { audience: 'STS.amazonaws.com' },
      says: 'InvalidIdentityToken',
    },
    {
      what: 'of another issuer',
      tokens: { claims: { iss: 'https://example.com' } },
      says: 'InvalidIdentityToken',
    },
    {
      what: 'of another subject',
      tokens: { claims: { sub: 'spiffe://example.org/web/db2' } },
      says: 'AccessDenied',
    },
    {
      what: 'with a signature of somebody else',
      tokens: { header: { kid: 'other' } },
      says: 'InvalidIdentityToken',
    },
    { what: 'for another role', options: { roleArn: `${roleArn}2` }, says: 'AccessDenied' },
  ])('are refused for a token $what, and the error repeats nothing of it', async (row) => {
    scene.tokens = row.tokens ?? {}
    const error = await failureOf(row.options)
    expect(error).toMatchObject({ code: 'ERR_EXCHANGE_REFUSED', kind: 'permission-denied' })
    expect(error.message).toBe(`AWS STS answers 400 (${row.says})`)
  })

  it('are not even asked for with a token that has ended', async () => {
    scene.tokens = { ttlSeconds: -1 }
    expect(await failureOf()).toMatchObject({ code: 'ERR_EXCHANGE_SUBJECT' })
    expect(sts.seen).toHaveLength(0)
  })

  it.each([
    { what: 'for another audience', tokens: { claims: { aud: ['other'] } }, options: {} },
    {
      what: 'of another identity than was asked for',
      tokens: {},
      options: { subject: SpiffeId.parse('spiffe://example.org/web') },
    },
  ])('are not even asked for when the agent gives a token $what', async (row) => {
    scene.tokens = row.tokens
    expect(await failureOf(row.options)).toMatchObject({ code: 'ERR_EXCHANGE_SUBJECT' })
    expect(sts.seen).toHaveLength(0)
  })

  it('are for the identity that is named', async () => {
    const asked: unknown[] = []
    const subject = SpiffeId.parse('spiffe://example.org/web/db')
    const svids: JwtSvidSource = {
      fetchJwtSvid: (request) => {
        asked.push(request)
        return scene.svids.fetchJwtSvid(request)
      },
    }
    using aws = credentials({ svids, subject })
    await aws.provider()
    expect(asked).toEqual([{ audience: [audience], subject }])
  })

  it('are not even asked for with a token that is for others too', async () => {
    scene.tokens = { claims: { aud: [audience, 'other'] } }
    expect(await failureOf()).toMatchObject({ code: 'ERR_EXCHANGE_SUBJECT' })
    expect(sts.seen).toHaveLength(0)
  })

  it('cannot be had while the agent gives no token', async () => {
    const svids = { fetchJwtSvid: () => Promise.reject(new Error('no identity issued')) }
    const error = await failureOf({ svids })
    expect(error).toMatchObject({ code: 'ERR_EXCHANGE_SUBJECT', kind: 'unavailable' })
    expect(error.message).toBe('no JWT-SVID: no identity issued')
  })

  const good = credentialsXml(new Date(4e12).toISOString())
  it.each([
    { what: 'garbage', body: 'garbage', code: 'ERR_EXCHANGE_ANSWER' },
    { what: 'nothing', body: '', code: 'ERR_EXCHANGE_ANSWER' },
    { what: 'no UTF-8', body: Buffer.of(0xff, 0xfe), code: 'ERR_EXCHANGE_ANSWER' },
    { what: 'credentials twice', body: `${good}${good}`, code: 'ERR_EXCHANGE_ANSWER' },
    {
      what: 'a key twice',
      body: good.replace('<AccessKeyId>', '<AccessKeyId>A</AccessKeyId><AccessKeyId>'),
      code: 'ERR_EXCHANGE_ANSWER',
    },
    { what: 'an entity', body: good.replace('ASIA', '&#65;SIA'), code: 'ERR_EXCHANGE_ANSWER' },
    {
      what: 'a line break in a key',
      body: good.replace('ASIA', 'AS\r\nIA'),
      code: 'ERR_EXCHANGE_ANSWER',
    },
    {
      what: 'no time',
      body: good.replace(/<Expiration>.*<\/Expiration>/, '<Expiration>soon</Expiration>'),
      code: 'ERR_EXCHANGE_ANSWER',
    },
    {
      what: 'credentials that have ended',
      body: credentialsXml('2020-01-01T00:00:00Z'),
      code: 'ERR_EXCHANGE_EXPIRED',
    },
    {
      what: 'more than is read',
      body: `${good}${' '.repeat(300_000)}`,
      code: 'ERR_EXCHANGE_ANSWER',
    },
    { what: '403', status: 403, body: '<Code>MadeUp</Code>', code: 'ERR_EXCHANGE_REFUSED' },
    { what: '429', status: 429, body: '', code: 'ERR_EXCHANGE_UNAVAILABLE' },
    { what: '500', status: 500, body: '<Code>Throttling</Code>', code: 'ERR_EXCHANGE_UNAVAILABLE' },
    { what: 'a redirect', status: 307, body: good, code: 'ERR_EXCHANGE_ANSWER' },
  ])('cannot be had when STS answers $what', async ({ status = 200, body, code }) => {
    const headers = { location: sts.endpoint }
    sts.instead.push((response) => response.writeHead(status, headers).end(body))
    const error = await failureOf()
    expect(error.code).toBe(code)
    expect(error.message).not.toContain('MadeUp')
    expect(sts.seen).toHaveLength(1)
  })

  it('cannot be had from an STS that hangs up, or is not there', async () => {
    sts.instead.push((response) => response.destroy())
    expect(await failureOf()).toMatchObject({ code: 'ERR_EXCHANGE_UNAVAILABLE' })
    expect(await failureOf({ endpoint: 'http://127.0.0.1:1/' })).toMatchObject({
      code: 'ERR_EXCHANGE_UNAVAILABLE',
    })
  })

  it('are given up on when STS is slow', async () => {
    sts.instead.push((response) => void response.writeHead(200).write('<Cred'))
    const error = await failureOf({ timeoutMs: 50 })
    expect(error.message).toBe('no answer within 50 ms')
    expect(error.code).toBe('ERR_EXCHANGE_UNAVAILABLE')
  })

  it('a caller may stop waiting, and a closed provider gives nothing', async () => {
    sts.instead.push((response) => void later(20).then(() => response.end(good)))
    const aws = credentials()
    const stopped = AbortSignal.abort(new Error('enough'))
    await expect(aws.getCredentials({ signal: stopped })).rejects.toThrow('enough')
    const waiting = aws.provider()
    aws.close()
    await expect(waiting).rejects.toMatchObject({ code: 'ERR_EXCHANGE_CLOSED' })
    await expect(aws.provider()).rejects.toMatchObject({ code: 'ERR_EXCHANGE_CLOSED' })
  })

  it.each([
    { roleArn: 'web' },
    { roleArn: 'arn:aws:iam::123456789012:user/web' },
    { region: 'eu-central-1.example.com/' },
    { region: '' },
    { durationSeconds: 899 },
    { durationSeconds: 1e9 },
    { endpoint: 'http://sts.example.com/' },
    { endpoint: 'https://user:secret@sts.example.com/' },
    { endpoint: 'https://user@sts.example.com/' },
    { endpoint: 'https://:secret@sts.example.com/' },
    { endpoint: 'https://sts.example.com/#here' },
    { endpoint: 'sts' },
  ])('are refused with an option that cannot be: %j', (options) => {
    expect(() => credentials(options)).toThrow(
      expect.objectContaining({ code: 'ERR_EXCHANGE_OPTION', kind: 'invalid-argument' }),
    )
  })

  it('refuses a session name that AWS would refuse, without repeating it', async () => {
    const error = await failureOf({ sessionName: 'a b' })
    expect(error).toMatchObject({ code: 'ERR_EXCHANGE_OPTION' })
    expect(error.message).not.toContain('a b')
  })
})
