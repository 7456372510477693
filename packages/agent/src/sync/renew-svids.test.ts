import { createPrivateKey, createPublicKey, X509Certificate } from 'node:crypto'
import { FakeClock } from '@mini-spire/runtime/clock.test-kit'
import { silentLogger } from '@mini-spire/runtime/log/logger'
import { parseCsr } from '@mini-spire/runtime/x509/csr'
import { SpiffeId, TrustDomain } from '@mini-spire/sdk/spiffe-id'
import { TestCa } from '@mini-spire/sdk/testing'
import { describe, expect, it } from 'vitest'
import { WorkloadCache } from '../cache/workload-cache.ts'
import type { AgentEntry } from '../model/agent-entry.ts'
import { RotationRule } from '../model/rotation.ts'
import type { ServerApi, SignedX509Svid } from '../server-api/server-api.ts'
import { X509SvidRenewer } from './renew-svids.ts'

const { signal } = new AbortController()
const domain = TrustDomain.parse('example.org')

function entry(id: string): AgentEntry {
  return {
    id,
    spiffeId: SpiffeId.fromSegments(domain, id),
    selectors: [{ type: 'unix', value: `uid:${id}` }],
    federatesWith: [],
    admin: false,
    downstream: false,
    revisionNumber: 0,
    storeSvid: false,
    hint: '',
    createdAtSeconds: 0,
    disableX509SvidPrefetch: false,
  }
}

/** A renewer, its cache with these entries, and a server that signs what it is told to. */
function make(ids: readonly string[]) {
  const clock = new FakeClock()
  const ca = TestCa.create(domain, { now: () => clock.now() })
  const ownBundle = {
    trustDomain: domain,
    x509Authorities: [],
    jwtAuthorities: [],
    refreshHintSeconds: 0,
    sequenceNumber: 0,
  }
  const cache = new WorkloadCache({ ownBundle, maxX509Svids: 10, clock })
  const entries = new Map(ids.map((id) => [id, entry(id)]))
  cache.update({ entries, ownBundle, federatedBundles: [] })
  const server = {
    batches: [] as string[][],
    refused: new Set<string>(),
    unreadable: new Set<string>(),
    failure: undefined as Error | undefined,
  }
  const sign = (entryId: string, csr: Uint8Array): SignedX509Svid => {
    if (server.refused.has(entryId)) return { entryId, chain: undefined, refusal: 'no such entry' }
    if (server.unreadable.has(entryId)) return { entryId, chain: [Buffer.of(1)], refusal: '' }
    const spki = Buffer.from(parseCsr(csr).spki)
    const publicKey = createPublicKey({ key: spki, format: 'der', type: 'spki' })
    const uris = [`spiffe://example.org/${entryId}`]
    return { entryId, chain: ca.issueChain({ publicKey, uris }), refusal: '' }
  }
  const newX509Svids: ServerApi['newX509Svids'] = (requests) => {
    server.batches.push(requests.map(({ entryId }) => entryId))
    if (server.failure) return Promise.reject(server.failure)
    return Promise.resolve(requests.map(({ entryId, csr }) => sign(entryId, csr)))
  }
  const renewer = new X509SvidRenewer({
    server: { newX509Svids },
    cache,
    rotation: new RotationRule({ availabilityTargetMs: undefined, chance: () => 0.5 }),
    keyType: 'ec-p256',
    clock,
    log: silentLogger,
    chance: () => 0.5,
  })
  const signed = (): string[] => [...cache.x509Svids()].map(([id]) => id)
  return { cache, server, renewer, signed }
}

describe('signing what the cache wants', () => {
  it('keeps what was signed when one of a batch is refused, and asks for that one again', async () => {
    const { server, renewer, signed } = make(['a', 'b', 'c'])
    server.refused.add('b')
    expect(await renewer.renewBatch(signal)).toBe(true)
    expect(signed()).toEqual(['a', 'c'])
    expect(await renewer.renewBatch(signal)).toBe(false)
    server.refused.clear()
    await renewer.renewBatch(signal)
    expect(server.batches).toEqual([['a', 'b', 'c'], ['b'], ['b']])
    expect(signed().sort()).toEqual(['a', 'b', 'c'])
  })

  it('keeps what was signed when one of a batch cannot be used, and asks for that one again', async () => {
    const { server, renewer, signed } = make(['a', 'b', 'c'])
    server.unreadable.add('b')
    expect(await renewer.renewBatch(signal)).toBe(true)
    expect(signed()).toEqual(['a', 'c'])
    expect(await renewer.renewBatch(signal)).toBe(false)
    server.unreadable.clear()
    await renewer.renewBatch(signal)
    expect(server.batches).toEqual([['a', 'b', 'c'], ['b'], ['b']])
    expect(signed().sort()).toEqual(['a', 'b', 'c'])
  })

  it('asks for less at once after each failure, down to one', async () => {
    const ids = Array.from({ length: 8 }, (_, index) => String(index))
    const { server, renewer, signed } = make(ids)
    server.failure = new Error('too much')
    // From the largest batch of 500 it takes nine halvings to one.
    for (let failures = 0; failures < 9; failures++)
      await expect(renewer.renewBatch(signal)).rejects.toThrow('too much')
    expect(signed()).toEqual([])
    server.failure = undefined
    while (await renewer.renewBatch(signal));
    expect(server.batches.map(({ length }) => length).slice(-4)).toEqual([1, 2, 4, 1])
    expect(signed()).toHaveLength(8)
  })

  it('asks for nothing when nothing is wanted', async () => {
    const { server, renewer } = make([])
    expect(await renewer.renewBatch(signal)).toBe(false)
    expect(server.batches).toEqual([])
  })

  it('makes a key of its own for each SVID, and a new one at each renewal', async () => {
    const { cache, renewer } = make(['a', 'b'])
    await renewer.renewBatch(signal)
    const keys = (): string[] =>
      [...cache.x509Svids()].map(([, { privateKey, chain }]) => {
        const { publicKey } = new X509Certificate(chain[0] as Uint8Array)
        const key = Buffer.from(privateKey)
        const own = createPublicKey(createPrivateKey({ key, format: 'der', type: 'pkcs8' }))
        expect(own.equals(publicKey)).toBe(true)
        return Buffer.from(privateKey).toString('hex')
      })
    const [a, b] = keys()
    expect(a).not.toBe(b)
    cache.markStale('a')
    await renewer.renewBatch(signal)
    const after = keys()
    expect([after.includes(a as string), after.includes(b as string)]).toEqual([false, true])
  })
})
