import { SpiffeId, TrustDomain } from '@mini-spire/sdk/spiffe-id'
import { TestCa } from '@mini-spire/sdk/testing'
import { parseCertificate, verifyChain } from '@mini-spire/sdk/x509'
import { describe, expect, it } from 'vitest'
import {
  type AgentIdentity,
  entryOf,
  foreignBundle,
  identityOf,
  newCsr,
  type ServerClients,
  ServerScene,
} from './server-scene.ts'

const everything = { filter: undefined, outputMask: undefined, pageSize: 0, pageToken: '' }

/** An X509-SVID of a workload, as its agent would fetch it. */
async function workload(
  scene: ServerScene,
  path: string,
  change: { admin?: boolean; downstream?: boolean },
): Promise<AgentIdentity> {
  const agent = await scene.join()
  const entries = [entryOf(agent.id, path, change)]
  const { results } = await scene
    .local()
    .entries.batchCreateEntry({ entries, outputMask: undefined })
  const entryId = results[0]?.entry?.id ?? ''
  const { csr, key } = await newCsr()
  const issued = await scene.remote(agent).svids.batchNewX509Svid({ params: [{ entryId, csr }] })
  return identityOf(issued.results[0]?.svid, key)
}

async function ownRoots(clients: ServerClients) {
  const { x509Authorities } = await clients.bundles.getBundle({ outputMask: undefined })
  return x509Authorities.map(({ asn1 }) => parseCertificate(asn1))
}

describe('an admin over the network', () => {
  it('is who an entry says, and no longer when the entry is gone', async () => {
    await using scene = await ServerScene.start()
    const admin = await workload(scene, '/operator', { admin: true })
    const plain = await workload(scene, '/web', {})
    const clients = scene.remote(admin)
    const { agents } = await clients.agents.listAgents(everything)
    expect(agents).toHaveLength(2)
    await expect(scene.remote(plain).agents.listAgents(everything)).rejects.toMatchObject({
      statusCode: 7,
    })
    const { entries } = await clients.entries.listEntries(everything)
    const ids = entries.filter(({ admin: isAdmin }) => isAdmin).map(({ id }) => id)
    await scene.local().entries.batchDeleteEntry({ ids })
    await expect(clients.agents.listAgents(everything)).rejects.toMatchObject({ statusCode: 7 })
  })

  it('of another trust domain needs the exact ID and a stored bundle [invariant 4]', async () => {
    const foreign = TestCa.create('other.org')
    const identity = (id: string): AgentIdentity => {
      const svid = foreign.issueX509Svid(id)
      return { id, key: svid.privateKey, chain: svid.chain.map(({ raw }) => raw) }
    }
    const adminIds = [SpiffeId.parse('spiffe://other.org/admin')]
    await using scene = await ServerScene.start({ config: { adminIds } })
    const admin = identity('spiffe://other.org/admin')
    await expect(scene.remote(admin).agents.listAgents(everything)).rejects.toMatchObject({
      statusCode: 14,
    })
    const { results } = await scene.local().bundles.batchSetFederatedBundle({
      bundle: [foreignBundle(foreign)],
      outputMask: undefined,
    })
    expect(results[0]?.status?.code).toBe(0)
    await expect(scene.remote(admin).agents.listAgents(everything)).resolves.toBeDefined()
    for (const id of ['spiffe://other.org/admin2', 'spiffe://example.org/spire/agent/x']) {
      await expect(scene.remote(identity(id)).agents.listAgents(everything)).rejects.toMatchObject({
        statusCode: 14,
      })
    }
  })
})

describe('a downstream server', () => {
  it('gets a CA that leads to the bundle, and nobody else does', async () => {
    await using scene = await ServerScene.start()
    const below = await workload(scene, '/below', { downstream: true })
    const plain = await workload(scene, '/web', {})
    const { csr } = await newCsr()
    const request = { csr, preferredTtl: 600 }
    const answer = await scene.remote(below).svids.newDownstreamX509Ca(request)
    const roots = await ownRoots(scene.local())
    const chain = answer.caCertChain.map(parseCertificate)
    verifyChain({ chain, roots, now: new Date() })
    expect(chain[0]).toMatchObject({ isCa: true, uriSans: ['spiffe://example.org'] })
    expect(answer.x509Authorities.map(parseCertificate)).toEqual(roots)
    await expect(scene.remote(plain).svids.newDownstreamX509Ca(request)).rejects.toMatchObject({
      statusCode: 7,
    })
    await expect(
      scene.remote(below).svids.newDownstreamX509Ca({ csr: Uint8Array.of(1), preferredTtl: 0 }),
    ).rejects.toMatchObject({
      statusCode: 3,
      statusMessage: expect.stringMatching(/^malformed CSR: /),
    })
  })
})

describe('minting on the local socket', () => {
  it('refuses what is missing or reserved, with its text', async () => {
    await using scene = await ServerScene.start({ config: { areJwtSvidsDisabled: true } })
    const { svids } = scene.local()
    await expect(svids.mintX509Svid({ csr: new Uint8Array(), ttl: 0 })).rejects.toMatchObject({
      statusCode: 3,
      statusMessage: 'missing CSR',
    })
    const { csr } = await newCsr()
    await expect(svids.mintX509Svid({ csr, ttl: 0 })).rejects.toMatchObject({
      statusCode: 3,
      statusMessage: 'CSR URI SAN is required',
    })
    const id = { trustDomain: 'example.org', path: '/w' }
    await expect(svids.mintJwtsvid({ id, audience: ['a'], ttl: 0 })).rejects.toMatchObject({
      statusCode: 12,
      statusMessage: 'JWT functionality is disabled',
    })
    const wit = { id, publicKey: csr, ttl: 0, signingAlgorithm: 'ES256' }
    await expect(svids.mintWitsvid(wit)).rejects.toMatchObject({
      statusCode: 12,
      statusMessage: 'WIT functionality is disabled',
    })
  })

  it('names a JWT-SVID only by IDs of workloads', async () => {
    await using scene = await ServerScene.start()
    const { svids } = scene.local()
    const mint = (path: string, audience: string[]) =>
      svids.mintJwtsvid({ id: { trustDomain: 'example.org', path }, audience, ttl: 0 })
    await expect(mint('/spire/server', ['a'])).rejects.toMatchObject({
      statusCode: 3,
      statusMessage: expect.stringMatching(
        /^invalid SPIFFE ID: .*path is in the reserved namespace$/,
      ),
    })
    await expect(mint('/w', [])).rejects.toMatchObject({
      statusCode: 3,
      statusMessage: 'at least one audience is required',
    })
    await expect(mint('/w', [''])).rejects.toMatchObject({
      statusCode: 13,
      statusMessage: 'failed to sign JWT-SVID: invalid JWT-SVID audience: cannot be empty',
    })
  })
})

describe('a start that cannot be', () => {
  it('on the store of another trust domain is refused, and leaves the socket free', async () => {
    await using scene = await ServerScene.start()
    const agent = await scene.join()
    await scene.local().entries.batchCreateEntry({
      entries: [entryOf(agent.id, '/web')],
      outputMask: undefined,
    })
    const trustDomain = TrustDomain.parse('renamed.org')
    await expect(scene.restart({ trustDomain })).rejects.toMatchObject({
      code: 'ERR_STORE_OF_OTHER_TRUST_DOMAIN',
    })
    await scene.restart()
  })
})
