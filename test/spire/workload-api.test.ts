import { createPrivateKey, generateKeyPairSync } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { createClient, openUnixChannel } from '@mini-spire/runtime/grpc/client'
import { SpiffeWorkloadAPIService } from '@mini-spire/sdk/internal/spiffe/workload/workload'
import { describe, it } from 'vitest'
import { AgentDeployment, ServerDeployment } from '../kit/deployment.ts'
import { Scene } from '../kit/processes.ts'
import { Chance } from './chance.ts'
import { isSpireMissing, spire } from './programs.ts'
import { expectAlike, requestCount, seed } from './same-answers.ts'
import { type TokenKey, type WorkloadRequest, workloadRequests } from './workload-requests.ts'

describe.skipIf(isSpireMissing())('The Workload API', () => {
  it('answers as the one of SPIRE, whatever it is asked', async () => {
    if (!spire) throw new Error('no programs')
    await using scene = new Scene()
    const server = await ServerDeployment.start(scene, {
      settings: 'experimental { agent_spiffe_id_as_selector = true }',
    })
    const foreign = addForeignDomain(scene, server)
    const settings = 'allowed_foreign_jwt_claims = ["seen", "iat"]'
    const agents = [
      await AgentDeployment.start(scene, server, { name: 'ours', settings }),
      await AgentDeployment.start(scene, server, {
        name: 'spire',
        program: spire.agent,
        cli: spire.agent,
        settings,
      }),
    ]
    registerEntries(server)
    for (const agent of agents) untilServed(agent)
    const next = workloadRequests(new Chance(seed), signingKey(scene, server), foreign)
    await expectAlike(
      requestCount(1000),
      next,
      agents.map((agent) => workload(scene, agent)),
    )
  })
})

/** Gives the server the bundle of another trust domain, whose one key is returned. */
function addForeignDomain(scene: Scene, server: ServerDeployment): TokenKey {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const keyId = 'foreign'
  const jwk = { ...publicKey.export({ format: 'jwk' }), use: 'jwt-svid', kid: keyId }
  const own = JSON.parse(server.must('bundle', 'show', '-format', 'spiffe'))
  const x509 = own.keys.filter((key: { readonly use: string }) => key.use === 'x509-svid')
  const file = scene.path('other.json')
  writeFileSync(file, JSON.stringify({ ...own, keys: [...x509, jwk] }))
  server.must('bundle', 'set', '-id', 'spiffe://other.org', '-format', 'spiffe', '-path', file)
  return { keyId, key: privateKey }
}

/** Entries of this user: with hints that clash, another's bundle, and rights. */
function registerEntries(server: ServerDeployment): void {
  const { agents } = JSON.parse(server.must('agent', 'list', '-output', 'json'))
  const parents = agents.map(
    (agent: { readonly id: { readonly path: string } }) => `spiffe://example.org${agent.id.path}`,
  )
  const group = 'spiffe://example.org/nodes'
  for (const parent of parents)
    server.must('entry', 'create', '-node', '-spiffeID', group, '-selector', `spiffe_id:${parent}`)
  const register = (path: string, ...more: readonly string[]): void => {
    const selector = `unix:uid:${process.getuid?.() ?? 0}`
    server.must(
      'entry',
      'create',
      '-parentID',
      group,
      '-spiffeID',
      `spiffe://example.org${path}`,
      '-selector',
      selector,
      ...more,
    )
  }
  register('/one', '-hint', 'x', '-entryID', 'b')
  register('/two', '-hint', 'x', '-entryID', 'a')
  register(
    '/two',
    '-hint',
    'y',
    '-entryID',
    'c',
    '-federatesWith',
    'spiffe://other.org',
    '-selector',
    `unix:gid:${process.getgid?.() ?? 0}`,
  )
  register('/three', '-entryID', 'd', '-jwtSVIDTTL', '120')
  register('/admin', '-admin', '-entryID', 'e')
}

function untilServed(agent: AgentDeployment): void {
  for (let tries = 0; ; tries++) {
    const { stdout } = agent.cli('api', 'fetch', 'x509')
    if (stdout.includes('Received 4 svids')) return
    if (tries > 60) throw new Error(`never served: ${stdout}`)
  }
}

/** The key that the server signs tokens with, out of its own file. */
function signingKey(scene: Scene, server: ServerDeployment): TokenKey {
  const { keys } = JSON.parse(readFileSync(`${scene.makeFolder('server')}/keys.json`, 'utf8'))
  const key = createPrivateKey({
    key: Buffer.from(keys['JWT-Signer-A'], 'base64'),
    format: 'der',
    type: 'pkcs8',
  })
  const { jwt_authorities: known } = JSON.parse(server.must('bundle', 'show', '-output', 'json'))
  return { keyId: known[0].key_id, key }
}

/** Asks one agent; of tokens and certificates only what does not differ from one to the next is told. */
function workload(
  scene: Scene,
  agent: AgentDeployment,
): (request: WorkloadRequest) => Promise<unknown> {
  const channel = openUnixChannel(agent.socket)
  scene.defer(async () => channel.close())
  const client = createClient(SpiffeWorkloadAPIService, channel)
  const first = async <T>(stream: AsyncIterable<T>): Promise<T> => {
    for await (const one of stream) return one
    throw new Error('the stream ended')
  }
  return async (request) => {
    const options = { metadata: request.metadata, timeoutMs: 20_000 }
    switch (request.kind) {
      case 'validate':
        return await client.validateJwtsvid(request, options)
      case 'jwt': {
        const { svids } = await client.fetchJwtsvid(request, options)
        return svids.map(({ spiffeId, hint, svid }) => ({ spiffeId, hint, ...plain(svid) }))
      }
      case 'x509': {
        const { svids, ...rest } = await first(client.fetchX509Svid({}, options))
        return {
          svids: svids.map(({ spiffeId, hint, bundle }) => ({ spiffeId, hint, bundle })),
          ...rest,
        }
      }
      case 'bundles':
        return await first(client.fetchX509Bundles({}, options))
      case 'jwtBundles':
        return await first(client.fetchJwtBundles({}, options))
      case 'wit':
        return await first(client.fetchWitsvid({ spiffeId: '' }, options))
      case 'witBundles':
        return await first(client.fetchWitBundles({}, options))
    }
  }
}

/** A token without its times and its signature. */
function plain(token: string): object {
  const [header, claims] = token
    .split('.', 2)
    .map((part) => JSON.parse(Buffer.from(part, 'base64url').toString()))
  return { header, claims: { ...claims, iat: 0, exp: claims.exp - claims.iat } }
}
