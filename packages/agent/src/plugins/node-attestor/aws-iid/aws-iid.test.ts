import { parseConfig } from '@mini-spire/runtime/config/parse'
import { type HttpAnswer, HttpError, type HttpRequest } from '@mini-spire/runtime/http/http-client'
import { describe, expect, it } from 'vitest'
import { nodeAttestorBuiltIns } from '../built-ins.ts'
import { nodeAttestorContract } from '../node-attestor.contract.ts'
import type { NodeAttestation, NodeAttestor } from '../node-attestor.ts'

type Answer = { readonly status?: number; readonly text?: string; readonly error?: Error }

const usual: Readonly<Record<string, Answer>> = {
  '/latest/api/token': { text: 'TOKEN==' },
  '/latest/dynamic/instance-identity/document': { text: '{ "region" : "us-west-2" }' },
  '/latest/dynamic/instance-identity/signature': { text: 'AA\nBB' },
  '/latest/dynamic/instance-identity/rsa2048': { text: 'CC\nDD' },
}

async function make(
  changes: Readonly<Record<string, Answer>> = {},
  config = '',
  asked: HttpRequest[] = [],
): Promise<NodeAttestor> {
  const answers = { ...usual, ...changes }
  const request = async (one: HttpRequest): Promise<HttpAnswer> => {
    asked.push(one)
    const { status = 200, text = '', error } = answers[new URL(one.url).pathname] ?? { status: 404 }
    if (error) throw error
    return { status, statusLine: String(status), headers: {}, body: Buffer.from(text) }
  }
  const create = nodeAttestorBuiltIns.get('aws_iid')
  const attestor = await create?.(parseConfig(config), { http: { request } })
  if (!attestor) throw new Error('no aws_iid')
  return attestor
}

nodeAttestorContract({ describe, it, expect }, 'aws_iid', make)

interface Begun {
  readonly asked: readonly HttpRequest[]
  readonly attestation: Promise<NodeAttestation>
}

async function begin(changes: Readonly<Record<string, Answer>> = {}, config = ''): Promise<Begun> {
  const asked: HttpRequest[] = []
  const attestor = await make(changes, config, asked)
  const attestation = attestor.begin({ signal: new AbortController().signal })
  await attestation.catch(() => undefined)
  return { asked, attestation }
}

const shown = async ({ attestation }: Begun): Promise<unknown> =>
  JSON.parse(Buffer.from((await attestation).payload).toString())
const evidence = { document: '{ "region" : "us-west-2" }', signature: 'AA\nBB', rsa2048: 'CC\nDD' }
const failed = (why: string): unknown =>
  expect.objectContaining({
    code: 'ERR_NODE_ATTESTOR_CREDENTIAL',
    message: `nodeattestor(aws_iid): unable to fetch the instance identity document: ${why}`,
  })

describe('aws_iid', () => {
  it('shows the document and both signatures, asked for with a session token', async () => {
    const begun = await begin()
    expect(await shown(begun)).toEqual(evidence)
    const [token, ...others] = begun.asked
    expect(token).toMatchObject({
      url: 'http://169.254.169.254/latest/api/token',
      method: 'PUT',
      headers: { 'x-aws-ec2-metadata-token-ttl-seconds': '300' },
      proxy: 'none',
    })
    expect(others.map(({ url }) => url)).toEqual([
      'http://169.254.169.254/latest/dynamic/instance-identity/document',
      'http://169.254.169.254/latest/dynamic/instance-identity/signature',
      'http://169.254.169.254/latest/dynamic/instance-identity/rsa2048',
    ])
    for (const one of others) {
      expect(one).toMatchObject({
        headers: { 'x-aws-ec2-metadata-token': 'TOKEN==' },
        proxy: 'none',
        maxBytes: 16_384,
        timeoutMs: 5_000,
      })
    }
    const { answer } = await begun.attestation
    await expect(answer(Buffer.of(1))).rejects.toThrow(
      'nodeattestor(aws_iid): server issued unexpected challenge',
    )
  })

  it.each(['http://[fd00:ec2::254]', 'http://[fd00:ec2::254]/'])(
    'asks at %s where it is told',
    async (endpoint) => {
      const { asked } = await begin({}, `ec2_metadata_endpoint = "${endpoint}"`)
      expect(asked[0]?.url).toBe('http://[fd00:ec2::254]/latest/api/token')
    },
  )

  it.each<[string, Answer]>([
    ['a service that knows none', { status: 404 }],
    ['one that forbids them', { status: 403 }],
    ['one that knows no PUT', { status: 405 }],
    ['one behind a hop too many', { error: new HttpError('ERR_HTTP_TIMEOUT', 'no answer') }],
  ])('asks without a token: %s', async (_, token) => {
    const begun = await begin({ '/latest/api/token': token })
    expect(await shown(begun)).toEqual(evidence)
    expect(begun.asked.slice(1).map(({ headers }) => headers)).toEqual([{}, {}, {}])
  })

  const documentPath = '/latest/dynamic/instance-identity/document'
  it.each<[string, Readonly<Record<string, Answer>>, string]>([
    [
      'tokens are insisted on and none comes back',
      {
        '/latest/api/token': { error: new HttpError('ERR_HTTP_TIMEOUT', 'no answer') },
        [documentPath]: { status: 401 },
      },
      'no session token came back, and instance-identity/document is not to be had without one',
    ],
    [
      'the token is refused',
      { [documentPath]: { status: 401 } },
      'unexpected status code 401 for instance-identity/document',
    ],
    [
      'no token can be made',
      { '/latest/api/token': { status: 400 } },
      'unexpected status code 400 for a session token',
    ],
    [
      'the token would break the request',
      { '/latest/api/token': { text: 'a\r\nx-evil: 1' } },
      'the session token is malformed',
    ],
    [
      'nobody is there',
      { '/latest/api/token': { error: new HttpError('ERR_HTTP_UNREACHABLE', 'nobody there') } },
      'nobody there',
    ],
    [
      'a signature is missing',
      { '/latest/dynamic/instance-identity/rsa2048': { status: 404, text: 'secret' } },
      'unexpected status code 404 for instance-identity/rsa2048',
    ],
    [
      'an answer is empty',
      { '/latest/dynamic/instance-identity/signature': {} },
      'the answer for instance-identity/signature is empty',
    ],
  ])('does not begin when %s', async (_, changes, why) => {
    const { attestation } = await begin(changes)
    await expect(attestation).rejects.toThrow(failed(why))
  })
})
