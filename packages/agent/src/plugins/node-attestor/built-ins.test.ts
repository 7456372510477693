import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type IncomingMessage, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { hostname, tmpdir } from 'node:os'
import { join } from 'node:path'
import { systemClock } from '@mini-spire/runtime/clock'
import { parseConfig } from '@mini-spire/runtime/config/parse'
import { HttpClient } from '@mini-spire/runtime/http/http-client'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { nodeAttestorBuiltIns } from './built-ins.ts'
import { JoinTokenAttestor } from './join-token/join-token.ts'
import { nodeAttestorContract } from './node-attestor.contract.ts'
import type { NodeAttestation, NodeAttestor } from './node-attestor.ts'

const signal = new AbortController().signal
const http = new HttpClient({ environment: {}, clock: systemClock })
let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'node-attestors-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

const servers: Server[] = []
afterEach(() => {
  for (const server of servers.splice(0)) server.close()
})

async function create(name: string, text: string): Promise<NodeAttestor> {
  const made = await nodeAttestorBuiltIns.get(name)?.(parseConfig(text), {
    http,
  })
  if (!made) throw new Error(`no ${name}`)
  return made
}

async function begin(name: string, text: string): Promise<NodeAttestation> {
  return await (await create(name, text)).begin({ signal })
}

const payloadOf = ({ payload }: NodeAttestation): unknown =>
  JSON.parse(Buffer.from(payload).toString())

const tools = { describe, it, expect }
nodeAttestorContract(tools, 'join_token', () => new JoinTokenAttestor({ token: 'a-token' }))
nodeAttestorContract(tools, 'http_challenge', () => create('http_challenge', ''))
nodeAttestorContract(tools, 'k8s_psat', () => {
  const path = join(folder, 'token')
  writeFileSync(path, 'a-token')
  return create('k8s_psat', `cluster = "main" token_path = "${path}"`)
})
nodeAttestorContract(tools, 'gcp_iit', async () => {
  const server = createServer((_, response) => response.end('a.b.c'))
  servers.push(server)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return await create('gcp_iit', `identity_token_host = "127.0.0.1:${port}"`)
})

describe('gcp_iit', () => {
  const answering = async (status: number, text: string): Promise<[string, IncomingMessage[]]> => {
    const asked: IncomingMessage[] = []
    const server = createServer((request, response) => {
      asked.push(request)
      response.writeHead(status).end(text)
    })
    servers.push(server)
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const { port } = server.address() as AddressInfo
    return [`identity_token_host = "127.0.0.1:${port}"`, asked]
  }

  it('shows the token of the metadata server as it is', async () => {
    const [config, asked] = await answering(200, 'a.b.c')
    const attestation = await begin('gcp_iit', config)
    expect(Buffer.from(attestation.payload).toString()).toBe('a.b.c')
    expect(asked[0]?.url).toBe(
      '/computeMetadata/v1/instance/service-accounts/default/identity?audience=spire-gcp-node-attestor&format=full',
    )
    expect(asked[0]?.headers['metadata-flavor']).toBe('Google')
    await expect(attestation.answer(Buffer.of(1))).rejects.toThrow(
      'nodeattestor(gcp_iit): server issued unexpected challenge',
    )
  })

  it('asks for the service account that it is told, and for nothing else', async () => {
    const [config, asked] = await answering(200, 'a.b.c')
    await begin('gcp_iit', `${config} service_account = "a@b.test/../x?y"`)
    expect(asked[0]?.url).toContain('/service-accounts/a@b.test%2F..%2Fx%3Fy/identity?audience=')
  })

  it.each([
    [404, 'no', 'unexpected status code: 404'],
    [200, '', 'the answer is empty'],
    [200, 'x'.repeat(70_000), ''],
  ])('does not begin with the answer %s', async (status, text, why) => {
    const [config] = await answering(status, text)
    await expect(begin('gcp_iit', config)).rejects.toThrow(
      expect.objectContaining({
        code: 'ERR_NODE_ATTESTOR_CREDENTIAL',
        kind: 'internal',
        message: expect.stringContaining(
          `nodeattestor(gcp_iit): unable to retrieve valid identity token: ${why}`,
        ),
      }),
    )
  })
})

describe('http_challenge', () => {
  const nonce = 'abc_-='.padEnd(44, 'x')
  const challenge = Buffer.from(JSON.stringify({ nonce }))

  async function ask(port: unknown, path: string): Promise<readonly [number, string]> {
    const { status, body } = await http.request({ url: `http://127.0.0.1:${port}${path}` })
    return [status, Buffer.from(body).toString()]
  }

  it('tells the nonce at its path, from the challenge until the end', async () => {
    const attestation = await begin('http_challenge', 'agentname = "one"')
    const claim = payloadOf(attestation) as { readonly port: number }
    expect(claim).toEqual({ hostname: hostname(), agentname: 'one', port: claim.port })
    const path = '/.well-known/spiffe/nodeattestor/http_challenge/one/challenge'
    expect(await ask(claim.port, path)).toEqual([404, '404 page not found\n'])
    expect(Buffer.from(await attestation.answer(challenge)).toString()).toBe('\n')
    expect(await ask(claim.port, path)).toEqual([200, `${nonce}\n`])
    expect(await ask(claim.port, `${path}/more`)).toEqual([404, '404 page not found\n'])
    await attestation.end?.()
    await expect(ask(claim.port, path)).rejects.toThrow('no answer from')
  })

  it('names another port where one is advertised', async () => {
    const attestation = await begin('http_challenge', 'hostname = "h" advertised_port = 80')
    expect(payloadOf(attestation)).toEqual({ hostname: 'h', agentname: 'default', port: 80 })
    await attestation.end?.()
  })

  it('does not begin at a port that is taken', async () => {
    const first = await begin('http_challenge', '')
    const { port } = payloadOf(first) as { readonly port: number }
    await expect(begin('http_challenge', `port = ${port}`)).rejects.toThrow(
      expect.objectContaining({
        code: 'ERR_NODE_ATTESTOR_CREDENTIAL',
        message: expect.stringContaining(`could not listen on port ${port}: `),
      }),
    )
    await first.end?.()
  })

  it.each([
    '{',
    '{}',
    '{"nonce":5}',
    '{"nonce":"<html>"}',
    JSON.stringify({ nonce: 'x'.repeat(65) }),
  ])('says nothing for the challenge %s', async (text) => {
    const attestation = await begin('http_challenge', '')
    await expect(attestation.answer(Buffer.from(text))).rejects.toThrow(
      expect.objectContaining({
        code: 'ERR_NODE_ATTESTOR_CHALLENGE',
        message: expect.stringContaining('unable to unmarshal challenge: '),
      }),
    )
    await attestation.end?.()
  })
})

describe('k8s_psat', () => {
  it('shows the token of its pod, read each time and as it is', async () => {
    const path = join(folder, 'token')
    const attestor = await create('k8s_psat', `cluster = "main" token_path = "${path}"`)
    writeFileSync(path, 'first\n')
    expect(payloadOf(await attestor.begin({ signal }))).toEqual({
      cluster: 'main',
      token: 'first\n',
    })
    writeFileSync(path, 'second')
    const attestation = await attestor.begin({ signal })
    expect(payloadOf(attestation)).toEqual({ cluster: 'main', token: 'second' })
    await expect(attestation.answer(Buffer.of(1))).rejects.toThrow(
      'nodeattestor(k8s_psat): server issued unexpected challenge',
    )
  })

  it('needs a cluster and a token', async () => {
    await expect(create('k8s_psat', '')).rejects.toThrow('missing required cluster block')
    const path = join(folder, 'token')
    const text = `cluster = "main" token_path = "${path}"`
    await expect(begin('k8s_psat', text)).rejects.toThrow(
      expect.objectContaining({
        code: 'ERR_NODE_ATTESTOR_TOKEN',
        message: `nodeattestor(k8s_psat): unable to load token from ${path}: open ${path}: no such file or directory`,
      }),
    )
    writeFileSync(path, '')
    await expect(begin('k8s_psat', text)).rejects.toThrow(`"${path}" is empty`)
  })
})

describe('sshpop', () => {
  it('looks for its key where OpenSSH keeps it', async () => {
    await expect(create('sshpop', `host_key_path = "${folder}/none"`)).rejects.toThrow(
      `failed to read host key file: open ${folder}/none: no such file or directory`,
    )
  })
})
