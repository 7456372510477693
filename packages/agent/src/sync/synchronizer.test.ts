import { FakeClock } from '@mini-spire/runtime/clock.test-kit'
import { silentLogger } from '@mini-spire/runtime/log/logger'
import type { Metrics } from '@mini-spire/runtime/telemetry/metrics'
import { SpiffeId, TrustDomain } from '@mini-spire/sdk/spiffe-id'
import { beforeEach, describe, expect, it } from 'vitest'
import { JwtSvids } from '../cache/jwt-svids.ts'
import { WorkloadCache } from '../cache/workload-cache.ts'
import type { AgentEntry } from '../model/agent-entry.ts'
import { RotationRule } from '../model/rotation.ts'
import type { WorkloadX509Svid } from '../model/svid.ts'
import type { TrustBundle } from '../model/trust-bundle.ts'
import { BootstrapState } from '../node-attestation/bootstrap-state.ts'
import { Rebootstrap } from '../node-attestation/rebootstrap.ts'
import { type AgentState, type AgentStorage, emptyAgentState } from '../storage/agent-state.ts'
import type { EntryPuller } from './pull-entries.ts'
import type { X509SvidRenewer } from './renew-svids.ts'
import { Synchronizer, type SynchronizerOptions } from './synchronizer.ts'
import { TaintReaction } from './taints.ts'

const intervalMs = 1_000
const rebootstrapDelayMs = 10_000
const lostTrust = new Error('x509: certificate signed by unknown authority')
let clock: FakeClock
let stopping: AbortController

beforeEach(() => {
  clock = new FakeClock()
  stopping = new AbortController()
})

function bundle(root: number): TrustBundle {
  return {
    trustDomain: TrustDomain.parse('example.org'),
    x509Authorities: [{ certificate: Uint8Array.of(root), tainted: false }],
    jwtAuthorities: [],
    refreshHintSeconds: 0,
    sequenceNumber: root,
  }
}

function entryOf(id: string): AgentEntry {
  return {
    id,
    spiffeId: SpiffeId.parse(`spiffe://example.org/${id}`),
    selectors: [{ type: 'unix', value: 'uid:1' }],
    federatesWith: [],
    admin: false,
    downstream: false,
    storeSvid: false,
    hint: '',
    disableX509SvidPrefetch: false,
    revisionNumber: 0,
    createdAtSeconds: 0,
  }
}

const longLived: WorkloadX509Svid = {
  chain: [Uint8Array.of(1)],
  privateKey: Uint8Array.of(2),
  notBeforeMs: 0,
  notAfterMs: 1e15,
  revisionNumber: 0,
}

type SyncServer = SynchronizerOptions['server']

const pulledServer: SyncServer = {
  offersPush: false,
  releaseUntrusted: () => {},
  push: () => Promise.reject(new Error('not offered')),
}

/** A server that pushes, and has nothing new. */
const quietServer: SyncServer = {
  offersPush: true,
  releaseUntrusted: () => {},
  push: (use) =>
    use({
      retired: new AbortController().signal,
      messages: async function* (_, signal) {
        await new Promise((_resolve, reject) => signal.addEventListener('abort', reject))
      },
    }),
}

function make(mode: 'never' | 'auto' | 'always' = 'never', server = pulledServer) {
  const log = silentLogger
  const storage: AgentStorage & { state: AgentState } = {
    state: { ...emptyAgentState, svid: [Uint8Array.of(1)], isReattestable: true },
    update: (change) => {
      storage.state = { ...storage.state, ...change }
      return Promise.resolve()
    },
  }
  const scene = { storage, failure: undefined as Error | undefined, root: 1, pulls: 0, requests: 0 }
  const gauges = new Map<string, number>()
  const metrics: Metrics = {
    count: () => {},
    gauge: (key, value) => void gauges.set(key.join('.'), value),
    sample: () => {},
  }
  const puller = {
    pull: () => {
      scene.pulls++
      if (scene.failure) return Promise.reject(scene.failure)
      return Promise.resolve({
        entries: new Map(),
        ownBundle: bundle(scene.root),
        federatedBundles: [],
      })
    },
  } as unknown as EntryPuller
  const cache = new WorkloadCache({ ownBundle: bundle(1), maxX509Svids: 10, clock })
  const requestSvids = (): void => void scene.requests++
  const jwtSvids = new JwtSvids({ maxSize: 1 })
  const bootstrap = new BootstrapState({ storage, clock, log })
  const synchronizer = new Synchronizer({
    puller,
    server,
    cache,
    renewer: { request: requestSvids } as unknown as X509SvidRenewer,
    rotation: new RotationRule({ availabilityTargetMs: undefined, chance: () => 0.5 }),
    taints: new TaintReaction({ cache, jwtSvids, requestSvids, clock, log }),
    storage,
    bootstrap,
    rebootstrap: new Rebootstrap({
      mode,
      delayMs: rebootstrapDelayMs,
      storage,
      state: bootstrap,
      clock,
      log,
    }),
    intervalMs,
    clock,
    log,
    chance: () => 0.5,
    metrics,
  })
  return Object.assign(scene, { synchronizer, cache, gauges })
}

/** Lets time pass in steps, and what has become due run to its end. */
async function pass(ms: number): Promise<void> {
  const stepMs = 100
  for (let passed = 0; passed < ms; passed += stepMs) {
    clock.advance(stepMs)
    await new Promise((resolve) => setImmediate(resolve))
  }
}

describe('synchronising', () => {
  it('ends the agent when trust is lost and it may not bootstrap again', async () => {
    const scene = make('never')
    scene.failure = lostTrust
    const running = scene.synchronizer.run(stopping.signal)
    running.catch(() => {})
    await pass(intervalMs)
    await expect(running).rejects.toMatchObject({ code: 'ERR_SYNC_FAILED' })
    expect(scene.storage.state.svid).toHaveLength(1)
  })

  it.each(['auto', 'always'] as const)(
    'with lost trust and mode %s forgets SVID and bundle after the delay, not before',
    async (mode) => {
      const scene = make(mode)
      scene.failure = lostTrust
      let end: unknown
      const running = scene.synchronizer.run(stopping.signal).catch((error: unknown) => {
        end = error
      })
      await pass(rebootstrapDelayMs)
      expect([end, scene.storage.state.svid.length]).toEqual([undefined, 1])
      await pass(2 * rebootstrapDelayMs)
      await running
      expect(end).toMatchObject({ code: 'ERR_SHUTDOWN_TO_REBOOTSTRAP' })
      expect(scene.storage.state).toMatchObject({ svid: [], bundle: [], isReattestable: false })
    },
  )

  it('forgets that trust was lost once it has succeeded', async () => {
    const scene = make('auto')
    scene.failure = lostTrust
    const running = scene.synchronizer.run(stopping.signal)
    await pass(intervalMs)
    expect(scene.storage.state.bootstrapStartTime).toBeDefined()
    scene.failure = undefined
    await pass(rebootstrapDelayMs)
    expect(scene.storage.state.bootstrapStartTime).toBeUndefined()
    stopping.abort()
    await running
  })

  it('goes on after failures, more slowly, and keeps the cache as it was', async () => {
    const scene = make()
    scene.failure = new Error('server is away')
    const running = scene.synchronizer.run(stopping.signal)
    await pass(10 * intervalMs)
    expect(scene.pulls).toBeGreaterThan(2)
    expect(scene.pulls).toBeLessThan(6)
    expect([scene.synchronizer.lastSuccess, scene.requests]).toEqual([undefined, 0])
    stopping.abort()
    await running
    expect(clock.timerCount).toBe(0)
  })

  it('writes a bundle that changed to the state, and one that did not not', async () => {
    const scene = make()
    await scene.synchronizer.synchronize(stopping.signal)
    expect(scene.storage.state.bundle).toEqual([])
    scene.root = 2
    await scene.synchronizer.synchronize(stopping.signal)
    expect(scene.storage.state.bundle).toEqual([Uint8Array.of(2)])
    expect(scene.cache.bundles.own.sequenceNumber).toBe(2)
    expect(scene.synchronizer.lastSuccess).toEqual(clock.now())
    expect([scene.gauges.get('sync_bundles_total'), scene.requests]).toEqual([1, 2])
  })

  it('looks at the connection anew when the bundle has changed, with the new one, and not otherwise [gate 5]', async () => {
    const roots: number[] = []
    const scene = make('never', {
      ...pulledServer,
      releaseUntrusted: () => {
        const [root] = scene.cache.bundles.own.x509Authorities
        roots.push(root?.certificate[0] ?? 0)
      },
    })
    await scene.synchronizer.synchronize(stopping.signal)
    expect(roots).toEqual([])
    scene.root = 2
    await scene.synchronizer.synchronize(stopping.signal)
    await scene.synchronizer.synchronize(stopping.signal)
    expect(roots).toEqual([2])
  })

  it('drops what is beyond the size in every interval, also while the server pushes nothing new', async () => {
    const { cache, synchronizer } = make('never', quietServer)
    const ids = Array.from({ length: 12 }, (_, n) => `entry-${n}`)
    cache.update({
      entries: new Map(ids.map((id) => [id, entryOf(id)])),
      ownBundle: bundle(1),
      federatedBundles: [],
    })
    cache.setX509Svids(new Map(ids.map((id) => [id, longLived])))
    const running = synchronizer.run(stopping.signal)
    await pass(intervalMs / 2)
    expect(cache.x509SvidCount).toBe(12)
    await pass(intervalMs)
    expect(cache.x509SvidCount).toBe(10)
    stopping.abort()
    await running
  })
})
