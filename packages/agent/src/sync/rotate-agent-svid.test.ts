import { FakeClock } from '@mini-spire/runtime/clock.test-kit'
import { silentLogger } from '@mini-spire/runtime/log/logger'
import { SpiffeError } from '@mini-spire/sdk/errors'
import { TrustDomain } from '@mini-spire/sdk/spiffe-id'
import { beforeEach, describe, expect, it } from 'vitest'
import { WorkloadCache } from '../cache/workload-cache.ts'
import { RotationRule } from '../model/rotation.ts'
import type { TrustBundle } from '../model/trust-bundle.ts'
import type { AgentIdentity } from '../node-attestation/agent-identity.ts'
import { AgentSvidRotator } from './rotate-agent-svid.ts'
import type { TaintReaction } from './taints.ts'

const hourMs = 3_600_000
const intervalMs = 5_000
let clock: FakeClock
let stopping: AbortController

beforeEach(() => {
  clock = new FakeClock()
  stopping = new AbortController()
})

class Failure extends SpiffeError<'ERR_TEST'> {
  override get kind() {
    return 'unavailable' as const
  }
}

const away = (): Failure => new Failure('ERR_TEST', 'server is away')

function bundle(root: number): TrustBundle {
  return {
    trustDomain: TrustDomain.parse('example.org'),
    x509Authorities: [{ certificate: Uint8Array.of(root), tainted: false }],
    jwtAuthorities: [],
    refreshHintSeconds: 0,
    sequenceNumber: root,
  }
}

interface Scene {
  readonly isReattestable: boolean
  readonly isTainted?: () => boolean
  /** @default two hours */
  readonly lifeMs?: number
}

/** An identity whose SVID is valid for the same time from each change. */
function make(options: Scene) {
  const asked: string[] = []
  let failure: Error | undefined
  const fresh = () => ({
    certificates: [],
    isReattestable: options.isReattestable,
    notBeforeMs: clock.nowMs(),
    notAfterMs: clock.nowMs() + (options.lifeMs ?? 2 * hourMs),
  })
  let current = fresh()
  const change = (what: string): Promise<void> => {
    asked.push(what)
    if (failure) return Promise.reject(failure)
    current = fresh()
    return Promise.resolve()
  }
  const identity = {
    get current() {
      return current
    },
    renew: () => change('renew'),
    attest: () => change('attest').then(() => bundle(2)),
  } as unknown as AgentIdentity
  const cache = new WorkloadCache({ ownBundle: bundle(1), maxX509Svids: 1, clock })
  const rotator = new AgentSvidRotator({
    identity,
    server: { renew: () => Promise.resolve([]) },
    cache,
    rotation: new RotationRule({ availabilityTargetMs: undefined, chance: () => 0.5 }),
    taints: { isTainted: options.isTainted ?? (() => false) } as unknown as TaintReaction,
    clock,
    log: silentLogger,
    chance: () => 0.5,
  })
  return {
    asked,
    cache,
    rotator,
    fail: (error: Error | undefined) => {
      failure = error
    },
  }
}

/** Lets everything that is due run, without time passing. */
function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}

async function advance(ms: number): Promise<void> {
  await settled()
  clock.advance(ms)
  await settled()
}

describe('the rotation of the agent’s own SVID', () => {
  it('ends the agent when the SVID ran out and the server did not help', async () => {
    const { rotator, fail } = make({ isReattestable: false })
    fail(away())
    const running = rotator.run(stopping.signal)
    running.catch(() => {})
    await advance(2 * hourMs)
    await expect(running).rejects.toMatchObject({
      code: 'ERR_AGENT_SVID_EXPIRED',
      message: 'current SVID has already expired and rotate agent SVID failed: server is away',
    })
  })

  it('goes on with the old SVID while it is good, ever more slowly', async () => {
    const { rotator, asked, fail } = make({ isReattestable: false })
    fail(away())
    clock.advance(1.5 * hourMs)
    const running = rotator.run(stopping.signal)
    await advance(intervalMs)
    expect(asked).toEqual(['renew', 'renew'])
    await advance(intervalMs)
    expect(asked).toHaveLength(2)
    await advance(intervalMs / 2)
    expect(asked).toHaveLength(3)
    fail(undefined)
    await advance(3 * intervalMs)
    expect(asked).toHaveLength(4)
    await advance(intervalMs)
    expect(asked).toHaveLength(4)
    stopping.abort()
    await running
  })

  it('does nothing before half of the life is over', async () => {
    const { rotator, asked } = make({ isReattestable: false })
    const running = rotator.run(stopping.signal)
    await advance(hourMs - intervalMs - 1)
    expect(asked).toEqual([])
    await advance(intervalMs + 1)
    expect(asked).toEqual(['renew'])
    stopping.abort()
    await running
    expect(clock.timerCount).toBe(0)
  })

  it('attests again where the attestor can, and takes the bundle that comes with it', async () => {
    const { rotator, asked, cache } = make({ isReattestable: true })
    clock.advance(1.5 * hourMs)
    const running = rotator.run(stopping.signal)
    await settled()
    expect([asked, cache.bundles.own.sequenceNumber]).toEqual([['attest'], 2])
    stopping.abort()
    await running
  })

  it('renews an SVID whose life is shorter than the time between two looks', async () => {
    const { rotator, asked } = make({ isReattestable: false, lifeMs: 4_000 })
    const running = rotator.run(stopping.signal)
    for (let second = 0; second < 20; second++) await advance(1_000)
    expect(asked.length).toBeGreaterThanOrEqual(5)
    stopping.abort()
    await running
  })

  it('asks more often again when the server has been away and the SVID is near its end', async () => {
    const { rotator, asked, fail } = make({ isReattestable: false })
    fail(away())
    clock.advance(1.5 * hourMs)
    const running = rotator.run(stopping.signal)
    for (let second = 0; second < hourMs / 2000 - 4; second++) await advance(1_000)
    const askedBefore = asked.length
    fail(undefined)
    await advance(2_000)
    expect(asked).toHaveLength(askedBefore + 1)
    stopping.abort()
    await running
  })

  it('does not wait for half-life when its authority is tainted', async () => {
    let isTainted = true
    const { rotator, asked } = make({ isReattestable: false, isTainted: () => isTainted })
    const running = rotator.run(stopping.signal)
    await settled()
    isTainted = false
    await advance(intervalMs)
    expect(asked).toEqual(['renew'])
    stopping.abort()
    await running
  })

  it('cannot attest again in place with an attestor that works once', async () => {
    const { rotator } = make({ isReattestable: false })
    await expect(rotator.reattest(stopping.signal)).rejects.toMatchObject({
      code: 'ERR_NOT_REATTESTABLE',
      message: 'attestation method is not re-attestable',
    })
  })
})
