import { mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { FakeClock } from '@mini-spire/runtime/clock.test-kit'
import type { CallContext, TlsPeer } from '@mini-spire/runtime/grpc/call-context'
import { openHooks } from '@mini-spire/runtime/grpc/call-hooks'
import { createClient, openSvidChannel } from '@mini-spire/runtime/grpc/client'
import { bridgeTo } from '@mini-spire/runtime/grpc/grpc.test-kit'
import { bindService, notImplemented } from '@mini-spire/runtime/grpc/service'
import { type LogFields, type Logger, silentLogger } from '@mini-spire/runtime/log/logger'
import { HealthService } from '@mini-spire/runtime/proto/grpc/health/v1/health'
import { SpiffeId } from '@mini-spire/sdk/spiffe-id'
import { TestCa } from '@mini-spire/sdk/testing'
import type { X509Svid } from '@mini-spire/sdk/x509-svid'
import { afterEach, describe, expect, it } from 'vitest'
import { WorkloadCache } from '../cache/workload-cache.ts'
import type { TrustBundle } from '../model/trust-bundle.ts'
import type { AgentIdentity } from '../node-attestation/agent-identity.ts'
import { BrokerEndpoint } from './broker-endpoint.ts'

const clock = new FakeClock()
const now = (): Date => clock.now()
const ca = TestCa.create('example.org', { now })
const newCa = TestCa.create('example.org', { now })
const foreignCa = TestCa.create('other.org', { now })
const unknownCa = TestCa.create('unknown.org', { now })

const closers: (() => unknown)[] = []
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close()
})

function bundleOf(...authorities: readonly TestCa[]): TrustBundle {
  const [first] = authorities
  if (!first) throw new Error('no authority')
  return {
    trustDomain: first.trustDomain,
    x509Authorities: authorities.map(({ certificate }) => ({
      certificate: certificate.raw,
      tainted: false,
    })),
    jwtAuthorities: [],
    refreshHintSeconds: 0,
    sequenceNumber: authorities.length,
  }
}

/** An agent's identity that a test renews. */
class TestIdentity {
  #svid = ca.issueX509Svid('/spire/agent/a')
  readonly #listeners = new Set<() => void>()

  get current(): AgentIdentity['current'] {
    const { chain, privateKey } = this.#svid
    const current = { certificates: chain, key: { tlsKey: () => privateKey } }
    return current as unknown as AgentIdentity['current']
  }

  get raw(): Uint8Array | undefined {
    return new Uint8Array(this.#svid.chain[0].raw)
  }

  onChange(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  renew(): void {
    this.#svid = ca.issueX509Svid('/spire/agent/a')
    for (const listener of this.#listeners) listener()
  }
}

async function start() {
  const folder = mkdtempSync(join(tmpdir(), 'broker-'))
  closers.push(() => rmSync(folder, { recursive: true, force: true }))
  const socketPath = join(folder, 'private', 'broker.sock')
  const cache = new WorkloadCache({ ownBundle: bundleOf(ca), maxX509Svids: 10, clock })
  const update = (ownBundle: TrustBundle, ...federatedBundles: readonly TrustBundle[]): void =>
    void cache.update({ entries: new Map(), ownBundle, federatedBundles })
  update(bundleOf(ca), bundleOf(foreignCa))
  const identity = new TestIdentity()
  const peers: TlsPeer[] = []
  const lines: (readonly [string, LogFields | undefined])[] = []
  const log: Logger = { ...silentLogger, info: (text, fields) => void lines.push([text, fields]) }
  const service = bindService<CallContext, typeof HealthService>(HealthService, {
    check: (call) => {
      peers.push(call.peer as TlsPeer)
      return { status: 1 }
    },
    list: notImplemented('List'),
    watch: notImplemented('Watch'),
  })
  const endpoint = new BrokerEndpoint({
    config: {
      socketPath,
      bindAddress: { host: '127.0.0.1', port: 0 },
      brokers: ['spiffe://example.org/broker', 'spiffe://other.org/broker'].map((id) => ({
        id: SpiffeId.parse(id),
        allowedReferenceTypes: [{ typeUrl: '*', allowOverTcp: true }],
      })),
    },
    service,
    hooks: openHooks,
    identity,
    cache,
    requiresPqKem: false,
    clock,
    log,
  })
  closers.push(() => endpoint.stop())
  await endpoint.start()
  const bridge = await bridgeTo(socketPath)
  closers.push(() => bridge.close())
  const tcpPort = Number(/:(\d+)$/.exec(String(lines[1]?.[1]?.['address']))?.[1])
  const shown: Uint8Array[] = []
  const open = (svid: X509Svid | undefined, port = bridge.port) => {
    const channel = openSvidChannel({
      address: '127.0.0.1',
      port,
      svid: () => svid && { key: svid.privateKey, chain: svid.chain.map(({ raw }) => raw) },
      verifyServer: ([leaf = new Uint8Array()]) => void shown.push(leaf),
    })
    closers.push(() => channel.close())
    return createClient(HealthService, channel)
  }
  const check = (svid: X509Svid | undefined, port?: number): Promise<unknown> =>
    open(svid, port).check({ service: '' })
  return { socketPath, tcpPort, update, identity, peers, lines, shown, open, check }
}

const brokerSvid = (): X509Svid => ca.issueX509Svid('/broker')

describe('the broker endpoint', () => {
  it('is on a Unix socket of the group and on a port, and says so', async () => {
    const { socketPath, tcpPort, lines, check, peers } = await start()
    expect(statSync(socketPath).mode & 0o777).toBe(0o770)
    expect(statSync(join(socketPath, '..')).mode & 0o777).toBe(0o750)
    expect(lines).toEqual([
      ['Starting SPIFFE Broker Endpoint', { network: 'unix', address: socketPath }],
      ['Starting SPIFFE Broker Endpoint', { network: 'tcp', address: `127.0.0.1:${tcpPort}` }],
    ])
    await check(brokerSvid())
    await check(brokerSvid(), tcpPort)
    expect(peers.map(({ spiffeId, process }) => [spiffeId, process?.pid])).toEqual([
      ['spiffe://example.org/broker', process.pid],
      ['spiffe://example.org/broker', undefined],
    ])
  })

  it('lets a broker of a federated trust domain in', async () => {
    const { check, peers } = await start()
    await check(foreignCa.issueX509Svid('/broker'))
    expect(peers[0]?.spiffeId).toBe('spiffe://other.org/broker')
  })

  it.each<[string, () => X509Svid | undefined]>([
    ['without a certificate', () => undefined],
    ['that is in no list', () => ca.issueX509Svid('/web')],
    ['whose ID only begins like one in the list', () => ca.issueX509Svid('/broker/x')],
    ['of a trust domain without a bundle', () => unknownCa.issueX509Svid('/broker')],
    [
      'whose ID is of another trust domain than its issuer',
      () => foreignCa.issueX509Svid('spiffe://example.org/broker'),
    ],
    ['whose certificate has expired', () => ca.issueX509Svid('/broker', { ttlSeconds: -1 })],
    ['with an authority of its own of the same name', () => newCa.issueX509Svid('/broker')],
  ])('does not let somebody in %s, on either way', async (_who, svid) => {
    const { check, peers, tcpPort } = await start()
    await expect(check(svid())).rejects.toMatchObject({ kind: 'unavailable' })
    await expect(check(svid(), tcpPort)).rejects.toMatchObject({ kind: 'unavailable' })
    expect(peers).toEqual([])
  })

  it("shows the agent's renewed SVID from the next handshake on", async () => {
    const { check, identity, shown, tcpPort } = await start()
    await check(brokerSvid())
    const first = identity.raw
    identity.renew()
    await check(brokerSvid())
    await check(brokerSvid(), tcpPort)
    expect(shown).toEqual([first, identity.raw, identity.raw])
  })

  it('cuts those off whom the bundles no longer vouch for, and nobody else', async () => {
    const { open, update, peers } = await start()
    const [old, foreign] = [open(brokerSvid()), open(foreignCa.issueX509Svid('/broker'))]
    await Promise.all([old.check({ service: '' }), foreign.check({ service: '' })])
    update(bundleOf(ca, newCa), bundleOf(foreignCa))
    await new Promise((resolve) => setImmediate(resolve))
    await old.check({ service: '' })
    update(bundleOf(newCa), bundleOf(foreignCa))
    await new Promise((resolve) => setImmediate(resolve))
    await expect(old.check({ service: '' })).rejects.toMatchObject({ kind: 'unavailable' })
    await foreign.check({ service: '' })
    await open(newCa.issueX509Svid('/broker')).check({ service: '' })
    expect(peers).toHaveLength(5)
  })

  it('says that it stops, and is gone then', async () => {
    const { check, lines } = await start()
    await check(brokerSvid())
    await closers.splice(1, 1)[0]?.()
    await expect(check(brokerSvid())).rejects.toMatchObject({ kind: 'unavailable' })
    expect(lines.slice(2).map(([text]) => text)).toEqual([
      'Stopping SPIFFE Broker Endpoint',
      'SPIFFE Broker Endpoint has stopped',
    ])
  })
})
