import { createPrivateKey, generateKeyPairSync } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { describe, it } from 'vitest'
import type { AgentDeployment, ServerDeployment } from '../kit/deployment.ts'
import { Scene } from '../kit/processes.ts'
import { Chance } from './chance.ts'
import { isSpireMissing } from './programs.ts'
import { expectAlike, requestCount, seed } from './same-answers.ts'
import { nodes, ownSelector, plainToken, startTwoAgents, type WorkloadApi } from './two-agents.ts'
import { type TokenKey, type WorkloadRequest, workloadRequests } from './workload-requests.ts'

describe.skipIf(isSpireMissing())('The Workload API', () => {
  it('answers as the one of SPIRE, whatever it is asked', async () => {
    await using scene = new Scene()
    const settings = 'allowed_foreign_jwt_claims = ["seen", "iat"]'
    const { server, agents, apis } = await startTwoAgents(scene, settings)
    const foreign = addForeignDomain(scene, server)
    registerEntries(server)
    for (const agent of agents) untilServed(agent)
    const next = workloadRequests(new Chance(seed), signingKey(scene, server), foreign)
    await expectAlike(requestCount(1000), next, apis.map(answering))
    // A thousand requests, for each of which two agents look at the caller: minutes where other work is done beside.
  }, 600_000)
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
  const register = (path: string, ...more: readonly string[]): void => {
    const id = `spiffe://example.org${path}`
    const usual = ['-parentID', nodes, '-spiffeID', id, '-selector', ownSelector()]
    server.must('entry', 'create', ...usual, ...more)
  }
  const group = `unix:gid:${process.getgid?.() ?? 0}`
  const federated = ['-federatesWith', 'spiffe://other.org']
  register('/one', '-hint', 'x', '-entryID', 'b')
  register('/two', '-hint', 'x', '-entryID', 'a')
  register('/two', '-hint', 'y', '-entryID', 'c', '-selector', group, ...federated)
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
  const der = Buffer.from(keys['JWT-Signer-A'], 'base64')
  const { jwt_authorities: known } = JSON.parse(server.must('bundle', 'show', '-output', 'json'))
  return {
    keyId: known[0].key_id,
    key: createPrivateKey({ key: der, format: 'der', type: 'pkcs8' }),
  }
}

/** Asks one agent; of tokens and certificates only what does not differ from one to the next is told. */
function answering(api: WorkloadApi): (request: WorkloadRequest) => Promise<unknown> {
  const first = async <T>(stream: AsyncIterable<T>): Promise<T> => {
    for await (const one of stream) return one
    throw new Error('the stream ended')
  }
  return async (request) => {
    const options = { metadata: request.metadata, timeoutMs: 20_000 }
    switch (request.kind) {
      case 'validate':
        return await api.validateJwtsvid(request, options)
      case 'jwt': {
        const { svids } = await api.fetchJwtsvid(request, options)
        return svids.map(({ spiffeId, hint, svid }) => ({ spiffeId, hint, ...plainToken(svid) }))
      }
      case 'x509': {
        const { svids, ...rest } = await first(api.fetchX509Svid({}, options))
        const told = svids.map(({ spiffeId, hint, bundle }) => ({ spiffeId, hint, bundle }))
        return { svids: told, ...rest }
      }
      case 'bundles':
        return await first(api.fetchX509Bundles({}, options))
      case 'jwtBundles':
        return await first(api.fetchJwtBundles({}, options))
      case 'wit':
        return await first(api.fetchWitsvid({ spiffeId: '' }, options))
      case 'witBundles':
        return await first(api.fetchWitBundles({}, options))
    }
  }
}
