import { fromBinary } from '@bufbuild/protobuf'
import { FileDescriptorSetSchema } from '@bufbuild/protobuf/wkt'
import { FakeClock } from '@mini-spire/runtime/clock.test-kit'
import { ApiError } from '@mini-spire/runtime/grpc/api-error'
import type { CallContext, Peer, TlsPeer } from '@mini-spire/runtime/grpc/call-context'
import { silentLogger } from '@mini-spire/runtime/log/logger'
import { descriptors } from '@mini-spire/runtime/proto/descriptors'
import { PermissionDeniedDetails } from '@mini-spire/runtime/proto/spire/api/types/status'
import { SpiffeId } from '@mini-spire/sdk/spiffe-id'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { AttestedNode } from '../model/attested-node.ts'
import { Registry } from '../registry/registry.ts'
import { MemoryStore } from '../store/memory/memory-store.ts'
import { putEntry, testCause, testEntry, testId, testNode } from '../store/store.test-kit.ts'
import type { Mutation, Store } from '../store/store.ts'
import { type AuthorizeOptions, authorize } from './authorize.ts'
import type { Authorized } from './caller.ts'
import { type Grant, grantsOf } from './policy.ts'

const methods = fromBinary(FileDescriptorSetSchema, Buffer.from(descriptors, 'base64'))
  .file.filter(
    (file) => file.package.startsWith('spire.api.server.') || file.package === 'grpc.health.v1',
  )
  .flatMap((file) =>
    file.service.flatMap((service) =>
      service.method.map((method) => `/${file.package}.${service.name}/${method.name}`),
    ),
  )

const local: Peer = { kind: 'unix', pid: 7, uid: 1000, gid: 100, assertAlive: () => {} }
const agentPath = '/spire/agent/join_token/one'
const tls = (
  spiffeId?: string,
  serialNumber = '1',
  notAfterMs = Number.MAX_SAFE_INTEGER,
): TlsPeer => ({
  kind: 'tls',
  address: '127.0.0.1',
  port: 1,
  chain: [],
  spiffeId,
  serialNumber: spiffeId && serialNumber,
  notAfterMs,
})
const member = (path: string, serial?: string, notAfterMs?: number) =>
  tls(String(testId(path)), serial, notAfterMs)

let clock: FakeClock
let registry: Registry
let store: Store
let options: AuthorizeOptions
beforeEach(async () => {
  clock = new FakeClock()
  registry = new Registry({ clock })
  store = MemoryStore.create({ clock })
  await store.open((changes) => registry.apply(changes))
  const adminIds = [SpiffeId.parse('spiffe://foreign.org/ops')]
  options = { registry, store, adminIds }
  await put(
    putNode(testNode(agentPath)),
    putEntry(testEntry('admin', { spiffeId: testId('/admin'), admin: true, expiresAtSeconds: 1 })),
    putEntry(testEntry('down', { spiffeId: testId('/down'), downstream: true })),
    putEntry(testEntry('plain', { spiffeId: testId('/plain') })),
  )
})
afterEach(() => store.close())

function putNode(value: AttestedNode): Mutation {
  return { op: 'put', kind: 'node', key: String(value.spiffeId), value, expect: 'any' }
}

async function put(...mutations: Mutation[]): Promise<void> {
  const [error] = await store.commit([{ cause: testCause, mutations }])
  if (error) throw error
}

function ask(method: string, peer: Peer): Promise<Authorized> {
  const call: CallContext = {
    peer,
    method,
    requestId: 'r',
    signal: new AbortController().signal,
    clock,
    log: silentLogger,
    metadata: () => [],
  }
  return authorize(options, call)
}

/** The reason in the status detail of a refusal; undefined when it has none. */
async function refusalOf(method: string, peer: Peer): Promise<number | undefined> {
  const error: unknown = await ask(method, peer).then(
    () => undefined,
    (reason: unknown) => reason,
  )
  if (!(error instanceof ApiError)) throw new Error(`not refused: ${String(error)}`)
  expect(error.kind).toBe('permission-denied')
  expect(error.message).toBe(`authorization denied for method ${method}`)
  const [detail, ...others] = error.details
  expect(others).toEqual([])
  if (!detail) return undefined
  expect(detail.typeUrl).toBe('type.googleapis.com/spire.api.types.PermissionDeniedDetails')
  return PermissionDeniedDetails.decode(detail.value).reason
}

const sync = '/spire.api.server.entry.v1.Entry/SyncAuthorizedEntries'
const list = '/spire.api.server.entry.v1.Entry/ListEntries'

describe('every RPC × caller', () => {
  const callers: readonly { readonly name: string; readonly peer: Peer; readonly grant: Grant }[] =
    [
      { name: 'a local process', peer: local, grant: 'local' },
      { name: 'an admin by configuration', peer: tls('spiffe://foreign.org/ops'), grant: 'admin' },
      { name: 'an admin by entry', peer: member('/admin'), grant: 'admin' },
      { name: 'an agent', peer: member(agentPath), grant: 'agent' },
      { name: 'a downstream server', peer: member('/down'), grant: 'downstream' },
    ]
  const nobodies: readonly { readonly name: string; readonly peer: Peer }[] = [
    { name: 'an anonymous client', peer: tls() },
    { name: 'a workload', peer: member('/plain') },
    { name: 'a member nobody registered', peer: member('/unknown') },
    { name: 'a foreign ID', peer: tls('spiffe://foreign.org/other') },
    { name: 'the server itself', peer: member('/spire/server') },
  ]

  it.each(methods)(
    '%s lets in whom its policy names, as what they are, and nobody else',
    async (method) => {
      const grants = grantsOf(method)
      for (const { name, peer, grant } of callers) {
        const wanted = grants?.has('any') ? 'nobody' : grants?.has(grant) ? grant : 'refused'
        const got = await ask(method, peer).then(
          ({ as }) => as,
          () => 'refused',
        )
        expect(`${name}: ${got}`).toBe(`${name}: ${wanted}`)
      }
      for (const { name, peer } of nobodies) {
        const wanted = grants?.has('any') ? 'nobody' : 'refused'
        const got = await ask(method, peer).then(
          ({ as }) => as,
          () => 'refused',
        )
        expect(`${name}: ${got}`).toBe(`${name}: ${wanted}`)
      }
    },
  )

  it('lets nobody call a method without a policy row', async () => {
    for (const { peer } of callers) {
      expect(
        await refusalOf('/spire.api.server.entry.v1.Entry/DropEverything', peer),
      ).toBeUndefined()
    }
  })

  it('refuses agent RPCs without a certificate, and over the socket, without a reason', async () => {
    expect(await refusalOf(sync, tls())).toBeUndefined()
    expect(await refusalOf(sync, local)).toBeUndefined()
  })

  it('refuses a certificate whose ID is none as unauthenticated', async () => {
    await expect(ask(list, tls('https://example.org/x'))).rejects.toMatchObject({
      code: 'ERR_CALLER_MALFORMED',
      kind: 'unauthenticated',
      message: 'client certificate has a malformed URI SAN: scheme is missing or invalid',
    })
  })

  it('says who and why', async () => {
    expect(await ask(list, local)).toEqual({
      caller: { class: 'local', uid: 1000, gid: 100, pid: 7 },
      as: 'local',
      via: 'transport',
    })
    expect(await ask(list, tls('spiffe://foreign.org/ops'))).toMatchObject({
      as: 'admin',
      via: 'config',
    })
    expect(await ask(list, member('/admin'))).toMatchObject({ as: 'admin', via: 'entries' })
    expect(await ask(sync, member(agentPath))).toMatchObject({ as: 'agent', via: 'datastore' })
    const publish = '/spire.api.server.bundle.v1.Bundle/PublishJWTAuthority'
    expect(await ask(publish, member('/down'))).toMatchObject({
      as: 'downstream',
      via: 'entries',
      caller: { entries: [{ id: 'down' }] },
    })
  })

  it('lets no operator in whose certificate ran out on a live connection [gate 14]', async () => {
    const publish = '/spire.api.server.bundle.v1.Bundle/PublishJWTAuthority'
    const now = clock.nowMs()
    for (const [method, id] of [
      [list, 'spiffe://foreign.org/ops'],
      [list, String(testId('/admin'))],
      [publish, String(testId('/down'))],
    ] as const) {
      await expect(ask(method, tls(id, '1', now))).resolves.toBeDefined()
      expect(await refusalOf(method, tls(id, '1', now - 1))).toBeUndefined()
    }
  })

  it('stops letting an admin in as soon as the entry is gone', async () => {
    await put({ op: 'delete', kind: 'entry', key: 'admin', expect: 'present' })
    expect(await refusalOf(list, member('/admin'))).toBeUndefined()
  })
})

describe('an agent is refused', () => {
  it('with AGENT_EXPIRED after the certificate, before anything else', async () => {
    expect(await refusalOf(sync, member('/unknown', '1', clock.nowMs() - 1))).toBe(1)
    await expect(ask(sync, member(agentPath, '1', clock.nowMs()))).resolves.toMatchObject({
      as: 'agent',
    })
  })

  it('with AGENT_NOT_ATTESTED without a node', async () => {
    expect(await refusalOf(sync, member('/spire/agent/x'))).toBe(2)
  })

  it('with AGENT_NOT_ACTIVE with another serial number, or an empty one', async () => {
    expect(await refusalOf(sync, member(agentPath, '2'))).toBe(3)
    expect(await refusalOf(sync, member(agentPath, ''))).toBe(3)
  })

  it('with AGENT_BANNED when it is banned, whatever it shows', async () => {
    await put(putNode(testNode(agentPath, { serialNumber: '' })))
    for (const serial of ['', '1', '2'])
      expect(await refusalOf(sync, member(agentPath, serial))).toBe(4)
  })
})

describe('a renewed certificate', () => {
  const renewed = testNode(agentPath, { newSerialNumber: '2', newExpiresAtSeconds: 2_000_000_500 })

  it('becomes current when it is first used, and ends the one before', async () => {
    await put(putNode(renewed))
    expect(await ask(sync, member(agentPath, '1'))).toMatchObject({ as: 'agent' })
    expect(await ask(sync, member(agentPath, '2'))).toMatchObject({ as: 'agent' })
    expect(registry.nodes.find(String(renewed.spiffeId))).toMatchObject({
      serialNumber: '2',
      expiresAtSeconds: 2_000_000_500,
      newSerialNumber: '',
      newExpiresAtSeconds: 0,
    })
    expect(await refusalOf(sync, member(agentPath, '1'))).toBe(3)
    expect(await ask(sync, member(agentPath, '2'))).toMatchObject({ as: 'agent' })
  })

  it('waits for itself: no other certificate is taken for it, or makes it current [gate 14]', async () => {
    await put(putNode(renewed))
    for (const serial of ['3', '', '02'])
      expect(await refusalOf(sync, member(agentPath, serial))).toBe(3)
    expect(registry.nodes.find(String(renewed.spiffeId))).toEqual(renewed)
  })

  it('is activated once by many first calls at the same time', async () => {
    await put(putNode(renewed))
    const before = store.position().revision
    const answers = await Promise.all(
      Array.from({ length: 20 }, () => ask(sync, member(agentPath, '2'))),
    )
    expect(answers.map(({ as }) => as)).toEqual(Array.from({ length: 20 }, () => 'agent'))
    expect(store.position().revision).toBe(before + 1)
  })

  it('does not lift a ban that comes while it is activated', async () => {
    await put(putNode(renewed))
    const banned = testNode(agentPath, { serialNumber: '', newSerialNumber: '' })
    const commit = store.commit.bind(store)
    let isFirst = true
    options = {
      ...options,
      store: {
        commit: async (transactions) => {
          if (isFirst) {
            isFirst = false
            await put(putNode(banned))
          }
          return commit(transactions)
        },
      },
    }
    expect(await refusalOf(sync, member(agentPath, '2'))).toBe(4)
    expect(registry.nodes.find(String(renewed.spiffeId))?.serialNumber).toBe('')
  })

  it('is refused as Internal when it cannot be stored, and works later', async () => {
    await put(putNode(renewed))
    const failing = { ...options, store: { commit: () => Promise.reject(new Error('disk full')) } }
    const working = options
    options = failing
    await expect(ask(sync, member(agentPath, '2'))).rejects.toMatchObject({
      kind: 'internal',
      message: 'unable to activate the new agent SVID: disk full',
    })
    options = working
    expect(await ask(sync, member(agentPath, '2'))).toMatchObject({ as: 'agent' })
  })
})
