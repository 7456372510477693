import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { systemClock } from '@mini-spire/runtime/clock'
import { parseConfig } from '@mini-spire/runtime/config/parse'
import { HttpClient } from '@mini-spire/runtime/http/http-client'
import { TrustDomain } from '@mini-spire/sdk/spiffe-id'
import { afterEach, describe, expect, it } from 'vitest'
import { attestationContext, type FakeAgent } from '../attestation-context.test-kit.ts'
import { FakeCloud } from '../fake-cloud.test-kit.ts'
import { nodeAttestorContract } from '../node-attestor.contract.ts'
import type { NodeAttestation } from '../node-attestor.ts'
import { HttpChallengeAttestor } from './http-challenge.ts'
import { readHttpChallengeConfig } from './http-challenge-config.ts'

const http = new HttpClient({ environment: {}, clock: systemClock })
const agentId = 'spiffe://example.org/spire/agent/http_challenge/127.0.0.1'
let servers: Server[] = []
afterEach(() => {
  for (const server of servers) {
    server.close()
    server.closeAllConnections()
  }
  servers = []
})

/** A node: what it says at its port, given the nonce that it was sent. */
async function node(
  say: (nonce: string, request: IncomingMessage, response: ServerResponse) => void,
): Promise<{ readonly port: number; readonly agent: FakeAgent }> {
  let nonce = ''
  const server = createServer((request, response) => say(nonce, request, response))
  servers.push(server)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const answer = (challenge: Uint8Array): Uint8Array => {
    nonce = JSON.parse(Buffer.from(challenge).toString()).nonce
    return Buffer.from('\n')
  }
  return { port: (server.address() as AddressInfo).port, agent: { answer } }
}

function attest(claim: object, agent?: FakeAgent, config = ''): Promise<NodeAttestation> {
  const options = readHttpChallengeConfig(parseConfig(config))
  const trustDomain = TrustDomain.parse('example.org')
  const payload = Buffer.from(
    JSON.stringify({ hostname: '127.0.0.1', agentname: 'default', port: 8080, ...claim }),
  )
  return new HttpChallengeAttestor({ ...options, http, trustDomain }).attest(
    payload,
    attestationContext(agent),
  )
}

const path = '/.well-known/spiffe/nodeattestor/http_challenge/default/challenge'
const tellsNonce = (nonce: string, { url }: IncomingMessage, response: ServerResponse): void => {
  response.writeHead(url === path ? 200 : 404).end(url === path ? `${nonce}\n` : '')
}

nodeAttestorContract({ describe, it, expect }, 'http_challenge', () => {
  let nonce = ''
  const answers = { [`http://127.0.0.1:8080${path}`]: () => ({ text: nonce }) }
  const options = readHttpChallengeConfig(parseConfig(''))
  const trustDomain = TrustDomain.parse('example.org')
  return {
    attestor: new HttpChallengeAttestor({ ...options, http: new FakeCloud(answers), trustDomain }),
    payload: Buffer.from(
      JSON.stringify({ hostname: '127.0.0.1', agentname: 'default', port: 8080 }),
    ),
    answer: (challenge) => {
      nonce = JSON.parse(Buffer.from(challenge).toString()).nonce
      return Buffer.from('\n')
    },
    empty: 'answer',
  }
})

describe('http_challenge', () => {
  it('attests a node that tells the nonce at its host name', async () => {
    const { port, agent } = await node(tellsNonce)
    expect(await attest({ port }, agent)).toEqual({
      agentId,
      selectorValues: ['hostname:127.0.0.1'],
      canReattest: false,
      isTrustedOnFirstUse: true,
    })
  })

  it('does not look at the status of the answer', async () => {
    const { port, agent } = await node((nonce, _, response) => {
      response.writeHead(500).end(`  ${nonce}\n\n`)
    })
    expect(await attest({ port }, agent)).toMatchObject({ agentId })
  })

  it('trusts a host name once, and again only where that is turned off', async () => {
    const { port, agent } = await node(tellsNonce)
    await expect(attest({ port }, { ...agent, attested: [agentId] })).rejects.toThrow(
      'attestation data has already been used to attest an agent',
    )
    const privileged = 'required_port = 80 tofu = false'
    expect(readHttpChallengeConfig(parseConfig(privileged))).toMatchObject({
      isTrustedOnFirstUse: false,
    })
  })

  const wrong = 'challenge verification failed: expected nonce was not found in HTTP response'
  it.each([
    [
      'another nonce',
      (_: string, __: IncomingMessage, r: ServerResponse) => r.end('x'.repeat(44)),
      wrong,
    ],
    [
      'too much',
      (n: string, _: IncomingMessage, r: ServerResponse) => r.end(`${n}${'x'.repeat(100)}`),
      wrong,
    ],
    [
      'a redirect',
      (_: string, request: IncomingMessage, r: ServerResponse) =>
        r.writeHead(302, { location: `http://${request.headers.host}${path}?again` }).end(),
      wrong,
    ],
    [
      'nothing',
      (_: string, __: IncomingMessage, r: ServerResponse) => r.destroy(),
      'challenge verification failed: no answer from',
    ],
  ])('refuses a node that answers with %s', async (_, say, message) => {
    const { port, agent } = await node(say)
    await expect(attest({ port }, agent)).rejects.toThrow(
      expect.objectContaining({
        code: 'ERR_NODE_EVIDENCE_REFUSED',
        kind: 'permission-denied',
        message: expect.stringContaining(message),
      }),
    )
  })

  it('says nothing of what it read', async () => {
    const { port, agent } = await node((_, __, response) => response.end('internal-secret'))
    await expect(attest({ port }, agent)).rejects.not.toThrow('internal-secret')
  })

  it.each([
    ['{"hostname":5}', 'failed to unmarshal data: '],
    ['[]', 'failed to unmarshal data: '],
    ['', 'missing attestation payload'],
    ['{"port":"80"}', 'failed to unmarshal data: '],
  ])('cannot read %s', async (payload, message) => {
    const options = readHttpChallengeConfig(undefined)
    const trustDomain = TrustDomain.parse('example.org')
    const attestor = new HttpChallengeAttestor({ ...options, http, trustDomain })
    await expect(attestor.attest(Buffer.from(payload), attestationContext())).rejects.toThrow(
      expect.objectContaining({
        code: 'ERR_NODE_EVIDENCE_MALFORMED',
        message: expect.stringContaining(message),
      }),
    )
  })

  it.each([
    [{ agentname: '' }, '', 'agent name is not valid'],
    [{ agentname: '1a' }, '', 'agent name is not valid'],
    [{ agentname: 'a/../b' }, '', 'agent name is not valid'],
    [{ agentname: 'a'.repeat(33) }, '', 'agent name is not valid'],
    [{ port: 81 }, 'required_port = 80', 'port 81 is not allowed to be used by this server'],
    [{ port: 1024 }, 'allow_non_root_ports = false', 'port 1024 is not allowed to be >= 1024'],
    [{ hostname: 'localhost' }, '', 'you can not use localhost as a hostname'],
    [
      { hostname: 'a.test' },
      'allowed_dns_patterns = ["b"]',
      'the requested hostname is not allowed to connect',
    ],
    [{ hostname: 'b'.repeat(254) }, 'allowed_dns_patterns = ["b"]', 'is not allowed to connect'],
  ])('refuses %j before it challenges (%s)', async (claim, config, message) => {
    await expect(attest(claim, undefined, config)).rejects.toThrow(message)
  })

  it.each([
    [{ hostname: '' }, 'hostname must be set'],
    [{ port: 0 }, 'port is invalid'],
    [{ port: 70_000 }, 'port is invalid'],
    [{ hostname: 'a/b' }, 'hostname can not contain a slash'],
    [{ hostname: 'a:80' }, 'hostname can not contain a colon'],
    [{ hostname: 'user@host' }, 'hostname can only contain'],
    [{ hostname: 'a?b' }, 'hostname can only contain'],
    [{ hostname: '169.254.169.254', port: 80 }, '169.254.169.254 is not the address of a node'],
    [{ hostname: '0.0.0.0', port: 80 }, '0.0.0.0 is not the address of a node'],
    // Other ways of writing the same address.
    [{ hostname: '2852039166', port: 80 }, 'challenge verification failed: '],
    [{ hostname: '0xa9fea9fe', port: 80 }, 'challenge verification failed: '],
  ])('asks nobody for %j', async (claim, message) => {
    await expect(attest(claim, { answer: () => Buffer.from('\n') })).rejects.toThrow(message)
  })

  it.each([
    ['169.254.169.254', '::ffff:169.254.169.254', '::169.254.169.254', '64:ff9b::169.254.169.254'],
    ['64:ff9b:1::169.254.169.254', '64:ff9b:1:a9fe:a9:fe00::', '2002:a9fe:a9fe::'],
    ['100.100.100.200', '64:ff9b::168.63.129.16', '192.0.0.192', 'fd00:ec2::254', 'fd20:ce::254'],
    ['0.0.0.0', '::', '224.0.0.1', '64:ff9b::224.0.0.1', 'fe80::1', 'ff02::1'],
  ])('connects to no name that leads to %s', async (...addresses) => {
    const http = new FakeCloud({})
    const options = readHttpChallengeConfig(parseConfig(''))
    const trustDomain = TrustDomain.parse('example.org')
    const attestor = new HttpChallengeAttestor({ ...options, http, trustDomain })
    const payload = Buffer.from(
      JSON.stringify({ hostname: 'a.test', agentname: 'default', port: 80 }),
    )
    const answer = (): Uint8Array => Buffer.from('\n')
    await expect(attestor.attest(payload, attestationContext({ answer }))).rejects.toThrow()
    const { checkAddress } = http.asked[0] ?? {}
    for (const address of addresses) {
      expect(() => checkAddress?.(address)).toThrow(`${address} is not the address of a node`)
    }
    for (const address of ['127.0.0.1', '10.0.0.1', '64:ff9b::10.0.0.1', 'fd00::1'])
      expect(() => checkAddress?.(address)).not.toThrow()
  })

  it.each(['(?i)^A[.]TEST$', '^(?P<name>a)[.]', '[[:alpha:]][.]test\\\\z'])(
    'takes a pattern as Go reads it: %s',
    async (pattern) => {
      const config = parseConfig(`allowed_dns_patterns = ["${pattern}"]`)
      const { allowedDnsPatterns } = readHttpChallengeConfig(config)
      expect(allowedDnsPatterns.map((one) => one.test('a.test'))).toEqual([true])
      expect(allowedDnsPatterns.map((one) => one.test('b.other'))).toEqual([false])
    },
  )

  it('is not slowed down by a name that was made for it [gate 9]', async () => {
    const hostname = `${'a'.repeat(250)}!`
    const refusing = attest({ hostname }, undefined, 'allowed_dns_patterns = ["^(a+)+$"]')
    await expect(refusing).rejects.toThrow('is not allowed to connect')
  })

  it('takes patterns that match anywhere in the name', async () => {
    const { port, agent } = await node(tellsNonce)
    expect(await attest({ port }, agent, 'allowed_dns_patterns = ["x", "7\\\\.0"]')).toBeDefined()
  })
})

describe('the configuration of http_challenge', () => {
  it.each([
    ['tofu = false', false],
    ['tofu = false allow_non_root_ports = true', false],
    ['tofu = false required_port = 1024', false],
    ['tofu = false required_port = 1023', true],
    ['tofu = false allow_non_root_ports = false', true],
    ['tofu = true', true],
  ])('%s is taken: %s', (text, isTaken) => {
    const read = (): unknown => readHttpChallengeConfig(parseConfig(text))
    if (isTaken) expect(read()).toBeDefined()
    else {
      expect(read).toThrow(
        expect.objectContaining({
          code: 'ERR_NODE_ATTESTOR_CONFIG',
          message: 'you can not turn off trust on first use (TOFU) when non-root ports are allowed',
        }),
      )
    }
  })

  it('names a pattern that is none', () => {
    expect(() => readHttpChallengeConfig(parseConfig('allowed_dns_patterns = ["("]'))).toThrow(
      'cannot compile allowed_dns_pattern: "(", error parsing regexp: missing closing ): `(`',
    )
  })
})
