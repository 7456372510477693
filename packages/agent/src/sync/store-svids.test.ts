import { FakeClock } from '@mini-spire/runtime/clock.test-kit'
import { createLogger } from '@mini-spire/runtime/log/create-logger'
import { noMetrics } from '@mini-spire/runtime/telemetry/metrics'
import { type ErrorKind, SpiffeError } from '@mini-spire/sdk/errors'
import { SpiffeId, TrustDomain } from '@mini-spire/sdk/spiffe-id'
import { beforeEach, describe, expect, it } from 'vitest'
import { WorkloadCache } from '../cache/workload-cache.ts'
import type { AgentEntry } from '../model/agent-entry.ts'
import type { TrustBundle } from '../model/trust-bundle.ts'
import type { StoredX509Svid, SvidStore } from '../plugins/svid-store/svid-store.ts'
import { SvidStorage } from './store-svids.ts'

const own = TrustDomain.parse('example.org')
const foreign = TrustDomain.parse('foreign.example')
const clock = new FakeClock()
const { signal } = new AbortController()

let cache: WorkloadCache
let store: FakeStore
let storage: SvidStorage
let lines: string[]

class Refusal extends SpiffeError<'ERR_TEST'> {
  readonly #kind: ErrorKind
  constructor(kind: ErrorKind) {
    super('ERR_TEST', `svidstore(shelf): ${kind}`)
    this.#kind = kind
  }
  override get kind(): ErrorKind {
    return this.#kind
  }
}

class FakeStore implements SvidStore {
  readonly name = 'shelf'
  readonly calls: string[] = []
  readonly svids: StoredX509Svid[] = []
  failure: Refusal | undefined

  put(svid: StoredX509Svid, metadata: readonly string[]): Promise<void> {
    this.calls.push(`put ${metadata.join(',')}`)
    this.svids.push(svid)
    return this.failure ? Promise.reject(this.failure) : Promise.resolve()
  }

  delete(metadata: readonly string[]): Promise<void> {
    this.calls.push(`delete ${metadata.join(',')}`)
    return this.failure ? Promise.reject(this.failure) : Promise.resolve()
  }
}

function bundle(trustDomain: TrustDomain, root: string): TrustBundle {
  return {
    trustDomain,
    x509Authorities: [{ certificate: Buffer.from(root), tainted: false }],
    jwtAuthorities: [],
    refreshHintSeconds: 0,
    sequenceNumber: 0,
  }
}

function entry(selectors: readonly string[], more: Partial<AgentEntry> = {}): AgentEntry {
  return {
    id: 'a',
    spiffeId: SpiffeId.parse('spiffe://example.org/elsewhere'),
    selectors: selectors.map((text) => {
      const [type = '', value = ''] = text.split('=')
      return { type, value }
    }),
    federatesWith: [],
    admin: false,
    downstream: false,
    revisionNumber: 0,
    storeSvid: true,
    hint: '',
    createdAtSeconds: 0,
    disableX509SvidPrefetch: false,
    ...more,
  }
}

function update(entries: readonly AgentEntry[], root = 'root', foreignRoot = 'foreign'): void {
  cache.update({
    entries: new Map(entries.map((one) => [one.id, one])),
    ownBundle: bundle(own, root),
    federatedBundles: [bundle(foreign, foreignRoot)],
  })
}

function sign(revisionNumber = 0): void {
  const notAfterMs = clock.nowMs() + 3_600_500
  const chain = [Buffer.from('leaf')]
  const privateKey = Buffer.from('key')
  const svid = { chain, privateKey, notBeforeMs: clock.nowMs(), notAfterMs, revisionNumber }
  cache.setX509Svids(new Map([['a', svid]]))
}

beforeEach(() => {
  lines = []
  store = new FakeStore()
  cache = new WorkloadCache({ ownBundle: bundle(own, 'root'), maxX509Svids: 10, clock })
  const destination = { isTerminal: false, write: (text: string) => void lines.push(text) }
  const log = createLogger({ format: 'plain', level: 'debug', destination, clock })
  const stores = new Map([[store.name, store]])
  storage = new SvidStorage({ cache, stores, clock, log, metrics: noMetrics })
})

describe('an SVID that is stored elsewhere', () => {
  it('is put when it is signed, once, and again when anything in it changes', async () => {
    update([entry(['shelf=where:here'], { federatesWith: [foreign] })])
    await storage.store(signal)
    expect(store.calls).toEqual([])
    sign()
    await storage.store(signal)
    await storage.store(signal)
    expect(store.calls).toEqual(['put where:here'])
    expect(store.svids[0]).toMatchObject({
      chain: [Buffer.from('leaf')],
      privateKey: Buffer.from('key'),
      bundle: [Buffer.from('root')],
      expiresAtSeconds: Math.floor(clock.nowMs() / 1000) + 3_600,
      federatedBundles: new Map([['spiffe://foreign.example', [Buffer.from('foreign')]]]),
    })
    const same = entry(['shelf=where:here'], { federatesWith: [foreign] })
    update([same], 'another root')
    await storage.store(signal)
    update([same], 'another root', 'another foreign root')
    await storage.store(signal)
    sign()
    await storage.store(signal)
    expect(store.calls).toHaveLength(4)
  })

  it('is deleted when its entry goes, also one that was never put, until that succeeds', async () => {
    update([entry(['shelf=where:here'])])
    await storage.store(signal)
    update([])
    store.failure = new Refusal('unavailable')
    await storage.store(signal)
    store.failure = undefined
    await storage.store(signal)
    await storage.store(signal)
    expect(store.calls).toEqual(['delete where:here', 'delete where:here'])
  })

  it('is given up when its selectors can name nothing', async () => {
    update([entry(['shelf=nonsense'])])
    await storage.store(signal)
    update([])
    store.failure = new Refusal('invalid-argument')
    await storage.store(signal)
    await storage.store(signal)
    expect(store.calls).toEqual(['delete nonsense'])
  })

  it('is put again when that failed', async () => {
    update([entry(['shelf=where:here'])])
    sign()
    store.failure = new Refusal('internal')
    await storage.store(signal)
    store.failure = undefined
    await storage.store(signal)
    await storage.store(signal)
    expect(store.calls).toEqual(['put where:here', 'put where:here'])
    expect(lines.join('')).toContain('msg="Failed to put X509-SVID"')
  })

  it('moves when its selectors change: deleted there, put here', async () => {
    update([entry(['shelf=where:there'])])
    sign()
    await storage.store(signal)
    update([entry(['shelf=where:here'], { revisionNumber: 1 })])
    sign(1)
    await storage.store(signal)
    expect(store.calls).toEqual(['put where:there', 'delete where:there', 'put where:here'])
  })

  it.each([
    [['shelf=a', 'drawer=b'], 'selector contains multiple types'],
    [['drawer=b'], 'Error storing SVID: SVIDStore not found'],
  ])('of selectors %j is stored nowhere, and the log says so', async (selectors, line) => {
    update([entry(selectors)])
    sign()
    await storage.store(signal)
    expect(store.calls).toEqual([])
    expect(lines.join('')).toContain(line)
  })
})
