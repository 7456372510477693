import { generateKeyPairSync } from 'node:crypto'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { RolesAnywhereCredentials, type RolesAnywhereOptions } from '@mini-spire/sdk/aws'
import { TestCa } from '@mini-spire/sdk/testing'
import { parseCertificate } from '@mini-spire/sdk/x509'
import { X509Svid } from '@mini-spire/sdk/x509-svid'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { FakeRolesAnywhere } from '../kit/fake-roles-anywhere.ts'

const region = 'eu-central-1'
const arns = {
  trustAnchorArn: `arn:aws:rolesanywhere:${region}:123456789012:trust-anchor/0a-1`,
  profileArn: `arn:aws:rolesanywhere:${region}:123456789012:profile/0b-2`,
  roleArn: 'arn:aws:iam::123456789012:role/web',
}
const subject = 'spiffe://example.org/web'
const ca = TestCa.create('example.org')
let aws: FakeRolesAnywhere

beforeEach(async () => {
  const trustAnchor = ca.certificate.raw
  aws = await FakeRolesAnywhere.start({ trustAnchor, region, subject, ...arns })
})
afterEach(() => aws[Symbol.asyncDispose]())

function credentials(
  svid: X509Svid,
  options: Partial<RolesAnywhereOptions> = {},
): RolesAnywhereCredentials {
  const svids = { getX509Svid: () => svid }
  return new RolesAnywhereCredentials({
    svids,
    region,
    endpoint: aws.endpoint,
    ...arns,
    ...options,
  })
}

async function outcome(svid: X509Svid, options?: Partial<RolesAnywhereOptions>): Promise<unknown> {
  using source = credentials(svid, options)
  return await source.provider().then(
    () => 'granted',
    ({ code, message }: { code: string; message: string }) => ({ code, message }),
  )
}

describe('AWS credentials for an X509-SVID', () => {
  it('come for a request that the key of the SVID signed', async () => {
    using source = credentials(ca.issueX509Svid('/web'))
    expect(await source.provider()).toEqual({
      accessKeyId: 'ASIAEXAMPLE',
      secretAccessKey: 'secret/key+1',
      sessionToken: 'session/token+with=signs',
      expiration: expect.any(Date),
    })
    expect(aws.verdicts).toEqual([undefined])
  })

  it('come for an RSA key, and for one below intermediates, which go along', async () => {
    const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
    const below = ca.createIntermediate().createIntermediate()
    const chain = below.issueChain({ publicKey, uris: [subject] }).map(parseCertificate)
    expect(await outcome(new X509Svid({ chain, privateKey }))).toBe('granted')
    expect(chain).toHaveLength(3)
    expect(aws.verdicts).toEqual([undefined])
  })

  it('come with a session name where one is given', async () => {
    expect(await outcome(ca.issueX509Svid('/web'), { sessionName: 'web-1' })).toBe('granted')
  })

  it('are asked for with the SVID of the moment', async () => {
    const svids = [ca.issueX509Svid('/web'), TestCa.create('example.org').issueX509Svid('/web')]
    using source = credentials(svids[0] as X509Svid, {
      svids: { getX509Svid: () => svids.pop() as X509Svid },
    })
    await expect(source.provider()).rejects.toMatchObject({ code: 'ERR_EXCHANGE_REFUSED' })
    await source.provider()
    expect(aws.verdicts).toEqual(['no path to the trust anchor', undefined])
  })

  it.each([
    { what: 'another subject', svid: () => ca.issueX509Svid('/web2'), why: 'not the subject' },
    {
      what: 'another authority of the same name',
      svid: () => TestCa.create('example.org').issueX509Svid('/web'),
      why: 'no path to the trust anchor',
    },
  ])('are refused for $what', async ({ svid, why }) => {
    const message = 'AWS IAM Roles Anywhere answers 403'
    expect(await outcome(svid())).toEqual({ code: 'ERR_EXCHANGE_REFUSED', message })
    expect(aws.verdicts).toEqual([why])
  })

  it.each([
    ['the body', (_: Map<string, string>, body: string) => body.replace('3600', '3601')],
    [
      'the time',
      (headers: Map<string, string>) =>
        change(headers, 'x-amz-date', /(\d)Z$/, (n) => `${(Number(n[0]) + 1) % 10}Z`),
    ],
    ['the host', (headers: Map<string, string>) => change(headers, 'host', /^127/, () => '126')],
  ] as const)('are refused when %s changes on the way', async (_, tamper) => {
    aws.tamper = (headers, body) => tamper(headers, body) ?? body
    expect(await outcome(ca.issueX509Svid('/web'))).toMatchObject({ code: 'ERR_EXCHANGE_REFUSED' })
    expect(aws.verdicts).toEqual(['signature does not match'])
  })

  it('are not even asked for with an SVID that has ended, or with none', async () => {
    const svid = ca.issueX509Svid('/web', { ttlSeconds: -1 })
    expect(await outcome(svid)).toMatchObject({ code: 'ERR_EXCHANGE_SUBJECT' })
    const svids = {
      getX509Svid: () => {
        throw new Error('gone')
      },
    }
    expect(await outcome(svid, { svids })).toEqual({
      code: 'ERR_EXCHANGE_SUBJECT',
      message: 'no X509-SVID: gone',
    })
    expect(aws.verdicts).toEqual([])
  })

  it.each([
    { roleArn: arns.profileArn },
    { profileArn: arns.trustAnchorArn },
    { trustAnchorArn: arns.profileArn },
    { durationSeconds: 60 },
    { region: 'x' },
  ])('are refused with an option that cannot be: %j', (options) => {
    expect(() => credentials(ca.issueX509Svid('/web'), options)).toThrow(
      expect.objectContaining({ code: 'ERR_EXCHANGE_OPTION' }),
    )
  })
})

const good = {
  accessKeyId: 'A',
  secretAccessKey: 'S',
  sessionToken: 'T',
  expiration: '2099-01-01T00:00:00Z',
}
describe('an answer of IAM Roles Anywhere', () => {
  let server: Server
  let body = ''
  let status = 201
  beforeEach(async () => {
    server = createServer((_, response) => response.writeHead(status).end(body))
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  })
  afterEach(() => server.close())

  it.each([
    { what: 'no JSON', answer: 'garbage', code: 'ERR_EXCHANGE_ANSWER' },
    { what: 'no credentials', answer: { credentialSet: [] }, code: 'ERR_EXCHANGE_ANSWER' },
    { what: 'a set that is none', answer: { credentialSet: ['x'] }, code: 'ERR_EXCHANGE_ANSWER' },
    {
      what: 'two sets',
      answer: { credentialSet: [{ credentials: good }, { credentials: good }] },
      code: 'ERR_EXCHANGE_ANSWER',
    },
    {
      what: 'no key',
      answer: { credentialSet: [{ credentials: { ...good, accessKeyId: 7 } }] },
      code: 'ERR_EXCHANGE_ANSWER',
    },
    {
      what: 'an end that is no time',
      answer: { credentialSet: [{ credentials: { ...good, expiration: '1' } }] },
      code: 'ERR_EXCHANGE_ANSWER',
    },
    {
      what: 'an end that was',
      answer: { credentialSet: [{ credentials: { ...good, expiration: '2020-01-01T00:00:00Z' } }] },
      code: 'ERR_EXCHANGE_EXPIRED',
    },
    { what: 'a redirect', answer: 'x', with: 302, code: 'ERR_EXCHANGE_ANSWER' },
    { what: 'that it is busy', answer: 'x', with: 503, code: 'ERR_EXCHANGE_UNAVAILABLE' },
  ])('with $what is refused', async (row) => {
    body = typeof row.answer === 'string' ? row.answer : JSON.stringify(row.answer)
    status = row.with ?? 201
    const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`
    expect(await outcome(ca.issueX509Svid('/web'), { endpoint })).toMatchObject({ code: row.code })
  })
})

function change(
  headers: Map<string, string>,
  name: string,
  pattern: RegExp,
  by: (found: string) => string,
): undefined {
  headers.set(name, (headers.get(name) ?? '').replace(pattern, by))
}
