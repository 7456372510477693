import { hash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { PermissionDeniedDetails } from '@mini-spire/runtime/proto/spire/api/types/status'
import { parseJwtSvidInsecure } from '@mini-spire/sdk/jwt-svid'
import { parseCertificate, verifyChain } from '@mini-spire/sdk/x509'
import { spiffeIdOfLeaf } from '@mini-spire/sdk/x509-svid'
import { describe, expect, it } from 'vitest'
import {
  type AgentIdentity,
  attest,
  entryOf,
  identityOf,
  newCsr,
  type ServerClients,
  ServerScene,
} from './server-scene.ts'

const status = (statusCode: number, statusMessage: string) =>
  expect.objectContaining({ statusCode, statusMessage })
const pathOf = (id: string): string => id.replace('spiffe://example.org', '')
const idProto = (id: string) => ({ trustDomain: 'example.org', path: pathOf(id) })

async function reasonOf(call: Promise<unknown>): Promise<number | undefined> {
  const error = await call.then(
    () => undefined,
    (refusal: { details?: readonly { value: Uint8Array }[] }) => refusal,
  )
  const value = error?.details?.[0]?.value
  return value && PermissionDeniedDetails.decode(Buffer.from(value)).reason
}

async function createEntry(local: ServerClients, parent: string, path: string, change = {}) {
  const entries = [entryOf(parent, path, change)]
  const { results } = await local.entries.batchCreateEntry({ entries, outputMask: undefined })
  expect(results[0]?.status).toMatchObject({ code: 0 })
  return results[0]?.entry?.id ?? ''
}

async function roots(local: ServerClients) {
  const bundle = await local.bundles.getBundle({ outputMask: undefined })
  return bundle.x509Authorities.map(({ asn1 }) => parseCertificate(asn1))
}

function everyFile(folder: string): readonly Buffer[] {
  return readdirSync(folder, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile())
    .map((entry) => readFileSync(join(entry.parentPath, entry.name)))
}

async function renew(clients: ServerClients): Promise<AgentIdentity> {
  const { csr, key } = await newCsr()
  const { svid } = await clients.agents.renewAgent({ params: { csr } })
  return identityOf(svid, key)
}

const sync = (clients: ServerClients) =>
  clients.entries.getAuthorizedEntries({ outputMask: undefined })

describe('a join token over the network', () => {
  it('makes one agent, and one only, of two hundred attempts at once [gate 4]', async () => {
    await using scene = await ServerScene.start()
    const local = scene.local()
    const { value } = await local.agents.createJoinToken({
      ttl: 600,
      token: '',
      agentId: undefined,
    })
    const remote = scene.remote()
    const attempts = Array.from({ length: 200 }, () =>
      attest(remote, 'join_token', Buffer.from(value)),
    )
    const results = await Promise.allSettled(attempts)
    expect(results.filter((one) => one.status === 'fulfilled')).toHaveLength(1)
    const text = 'failed to attest: join token does not exist or has already been used'
    for (const one of results)
      if (one.status === 'rejected') expect(one.reason).toEqual(status(3, text))
    expect((await local.agents.countAgents({ filter: undefined })).count).toBe(1)
  })

  it('is nowhere on the server’s disk or in its log before it is used [invariant 8]', async () => {
    await using scene = await ServerScene.start()
    const token = 'a-token-that-nobody-may-read'
    await scene.local().agents.createJoinToken({ ttl: 600, token, agentId: undefined })
    await scene.stop()
    for (const content of everyFile(scene.folder)) expect(content.includes(token)).toBe(false)
    expect(scene.log.join('')).not.toContain(token)
    expect(
      everyFile(join(scene.folder, 'data')).some((content) =>
        content.includes(hash('sha256', token)),
      ),
    ).toBe(true)
  })

  it('that was used stays used after a restart', async () => {
    await using scene = await ServerScene.start()
    await scene.local().agents.createJoinToken({ ttl: 600, token: 'once', agentId: undefined })
    await scene.join('once')
    await scene.restart()
    await expect(scene.join('once')).rejects.toMatchObject({ statusCode: 3 })
  })
})

describe('an agent', () => {
  it('gets SVIDs for its entries, which lead to the bundle', async () => {
    await using scene = await ServerScene.start()
    const local = scene.local()
    const agent = await scene.join()
    const entryId = await createEntry(local, agent.id, '/web', { dnsNames: ['web.example'] })
    const clients = scene.remote(agent)
    expect((await sync(clients)).entries.map(({ id }) => id)).toEqual([entryId])
    const { csr } = await newCsr()
    const { results } = await clients.svids.batchNewX509Svid({
      params: [
        { entryId, csr },
        { entryId: '', csr },
        { entryId: 'nope', csr },
        { entryId, csr: new Uint8Array() },
        { entryId, csr: Uint8Array.of(1) },
      ],
    })
    expect(results.map((one) => one.status?.code)).toEqual([0, 3, 5, 3, 3])
    expect(results.map((one) => one.status?.message).slice(0, 4)).toEqual([
      'OK',
      'missing entry ID',
      'entry not found or not authorized',
      'missing CSR',
    ])
    const chain = (results[0]?.svid?.certChain ?? []).map(parseCertificate)
    verifyChain({ chain, roots: await roots(local), now: new Date() })
    expect(chain[0] && String(spiffeIdOfLeaf(chain[0]))).toBe('spiffe://example.org/web')
    const { svid } = await clients.svids.newJwtsvid({ entryId, audience: ['a'] })
    const token = parseJwtSvidInsecure(svid?.token ?? '')
    expect([String(token.spiffeId), token.audience]).toEqual(['spiffe://example.org/web', ['a']])
  })

  it('cannot ask for more at once than the signing limit holds, nor for nothing', async () => {
    await using scene = await ServerScene.start()
    const { svids } = scene.remote(await scene.join())
    const params = Array.from({ length: 501 }, () => ({ entryId: 'x', csr: Uint8Array.of(1) }))
    const text =
      'rejecting request due to certificate signing rate limiting: rate (501) exceeds burst size (500)'
    await expect(svids.batchNewX509Svid({ params })).rejects.toEqual(status(8, text))
    const missing = status(3, 'missing parameters')
    await expect(svids.batchNewX509Svid({ params: [] })).rejects.toEqual(missing)
    await expect(svids.batchNewWitsvid({ params: [] })).rejects.toEqual(missing)
  })

  it('renews, and the old certificate dies when the new one is first used', async () => {
    await using scene = await ServerScene.start()
    const first = await scene.join()
    const old = scene.remote(first)
    const second = await renew(old)
    await sync(old)
    const fresh = scene.remote(second)
    await sync(fresh)
    expect(await reasonOf(sync(old))).toBe(3)
    await sync(fresh)
  })

  it('that is banned is refused on its live connection and on new ones, until it is evicted [gate 14]', async () => {
    await using scene = await ServerScene.start()
    const local = scene.local()
    await local.agents.createJoinToken({ ttl: 600, token: 'again', agentId: undefined })
    const agent = await scene.join('again')
    const clients = scene.remote(agent)
    await sync(clients)
    await local.agents.banAgent({ id: idProto(agent.id) })
    await expect(sync(clients)).rejects.toBeDefined()
    expect(await reasonOf(sync(scene.remote(agent)))).toBe(4)
    await local.agents.createJoinToken({ ttl: 600, token: 'again', agentId: undefined })
    await expect(scene.join('again')).rejects.toEqual(
      status(7, 'failed to attest: agent is banned'),
    )
    await scene.restart()
    expect(await reasonOf(sync(scene.remote(agent)))).toBe(4)
    await scene.local().agents.deleteAgent({ id: idProto(agent.id) })
    expect(await reasonOf(sync(scene.remote(agent)))).toBe(2)
    await expect(scene.join('again')).resolves.toBeDefined()
  })

  it.each(['banned', 'evicted'] as const)(
    'that is %s loses the stream it holds open [invariant 6]',
    async (how) => {
      await using scene = await ServerScene.start()
      const agent = await scene.join()
      const clients = scene.remote(agent)
      const silence = {
        [Symbol.asyncIterator]: () => ({ next: () => new Promise<never>(() => {}) }),
      }
      const stream = clients.entries.syncAuthorizedEntries(silence)
      const next = stream[Symbol.asyncIterator]().next()
      next.catch(() => {})
      // Answered on the same connection, so the stream before it has been let in.
      await sync(clients)
      const { agents } = scene.local()
      const request = { id: idProto(agent.id) }
      await (how === 'banned' ? agents.banAgent(request) : agents.deleteAgent(request))
      await expect(next).rejects.toMatchObject({ kind: 'unavailable' })
    },
  )

  it('may not do what operators do, and nobody may without a certificate', async () => {
    await using scene = await ServerScene.start()
    const agent = scene.remote(await scene.join())
    const stranger = scene.remote()
    const denied = (method: string) => status(7, `authorization denied for method ${method}`)
    const list = '/spire.api.server.agent.v1.Agent/ListAgents'
    const request = { filter: undefined, outputMask: undefined, pageSize: 0, pageToken: '' }
    await expect(agent.agents.listAgents(request)).rejects.toEqual(denied(list))
    await expect(stranger.agents.listAgents(request)).rejects.toEqual(denied(list))
    const renewal = '/spire.api.server.agent.v1.Agent/RenewAgent'
    await expect(stranger.agents.renewAgent({ params: undefined })).rejects.toEqual(denied(renewal))
    await expect(stranger.bundles.getBundle({ outputMask: undefined })).resolves.toBeDefined()
  })
})

describe('a server', () => {
  it('finds everything it left when it starts again', async () => {
    await using scene = await ServerScene.start()
    const agent = await scene.join()
    const entryId = await createEntry(scene.local(), agent.id, '/web')
    const before = await scene.local().bundles.getBundle({ outputMask: undefined })
    await scene.restart()
    const local = scene.local()
    expect(await local.bundles.getBundle({ outputMask: undefined })).toEqual(before)
    const clients = scene.remote(agent)
    expect((await sync(clients)).entries.map(({ id }) => id)).toEqual([entryId])
    const { csr } = await newCsr()
    const { results } = await clients.svids.batchNewX509Svid({ params: [{ entryId, csr }] })
    expect(results[0]?.status?.code).toBe(0)
  })

  it('writes one audit line for each call, one for each item, and none for a refused caller', async () => {
    await using scene = await ServerScene.start()
    const local = scene.local()
    const agent = await scene.join()
    await scene
      .remote()
      .agents.renewAgent({ params: undefined })
      .catch(() => {})
    await local.agents.getAgent({ id: undefined, outputMask: undefined }).catch(() => {})
    const entryId = await createEntry(local, agent.id, '/web')
    const { csr } = await newCsr()
    const params = [
      { entryId, csr },
      { entryId: 'x', csr },
    ]
    await scene.remote(agent).svids.batchNewX509Svid({ params })
    await scene.stop()
    const lines = scene.log.map((line) => JSON.parse(line)).filter(({ type }) => type === 'audit')
    const summary = lines.map(({ method, status: outcome, status_code }) => [
      method,
      outcome,
      status_code,
    ])
    expect(summary).toEqual([
      ['CreateJoinToken', 'success', undefined],
      ['AttestAgent', 'success', undefined],
      ['GetAgent', 'error', 'InvalidArgument'],
      ['BatchCreateEntry', 'success', undefined],
      ['BatchNewX509SVID', 'success', undefined],
      ['BatchNewX509SVID', 'error', 'NotFound'],
    ])
    expect(lines[0]).toMatchObject({ caller_uid: process.getuid?.(), authorized_as: 'local' })
    expect(lines[4]).toMatchObject({
      caller_id: agent.id,
      authorized_as: 'agent',
      csr: hash('sha256', csr),
    })
  })

  it('answers a malformed attestation with the rule it breaks', async () => {
    await using scene = await ServerScene.start()
    const remote = scene.remote()
    const stream = async (step: object): Promise<void> => {
      const requests = (async function* () {
        yield { step } as never
      })()
      for await (const _ of remote.agents.attestAgent(requests)) break
    }
    const params = (data: unknown, svid: unknown) => ({
      $case: 'params',
      params: { data, params: svid },
    })
    const csr = { csr: Uint8Array.of(1) }
    const data = { type: 'nope', payload: Uint8Array.of(1) }
    await expect(
      stream({ $case: 'challengeResponse', challengeResponse: new Uint8Array() }),
    ).rejects.toEqual(status(3, 'malformed param: missing params'))
    await expect(stream(params(undefined, csr))).rejects.toEqual(
      status(3, 'malformed param: missing attestation data'),
    )
    await expect(stream(params(data, undefined))).rejects.toEqual(
      status(3, 'malformed param: missing X509-SVID parameters'),
    )
    await expect(stream(params(data, { csr: new Uint8Array() }))).rejects.toEqual(
      status(3, 'malformed param: missing CSR'),
    )
    await expect(stream(params({ ...data, type: '' }, csr))).rejects.toEqual(
      status(3, 'malformed param: missing attestation data type'),
    )
    await expect(stream(params({ ...data, payload: new Uint8Array() }, csr))).rejects.toEqual(
      status(3, 'malformed param: missing attestation data payload'),
    )
    await expect(stream(params(data, csr))).rejects.toEqual(
      status(9, 'error getting node attestor: could not find node attestor type "nope"'),
    )
  })
})
