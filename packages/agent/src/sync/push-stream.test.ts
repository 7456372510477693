import { FakeClock } from '@mini-spire/runtime/clock.test-kit'
import { GrpcError } from '@mini-spire/runtime/grpc/client'
import { silentLogger } from '@mini-spire/runtime/log/logger'
import { SetDigest } from '@mini-spire/runtime/set-digest'
import { SpiffeId, TrustDomain } from '@mini-spire/sdk/spiffe-id'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type {
  PushContent,
  PushedEntry,
  PushLink,
  PushMessage,
  PushStep,
} from '../server-api/server-api.ts'
import type { PulledState } from './pull-entries.ts'
import { PushStream } from './push-stream.ts'
import { PushedSet } from './pushed-set.ts'

const trustDomain = TrustDomain.parse('example.org')
let clock: FakeClock
let stopping: AbortController

beforeEach(() => {
  clock = new FakeClock()
  stopping = new AbortController()
})
afterEach(() => stopping.abort())

function entry(id: string, revisionNumber = 0): PushedEntry {
  const known = { id, revisionNumber, createdAtSeconds: 1 }
  return {
    ...known,
    entry: {
      ...known,
      spiffeId: SpiffeId.parse(`spiffe://example.org/${id}`),
      selectors: [{ type: 'unix', value: 'uid:1' }],
      federatesWith: [],
      admin: false,
      downstream: false,
      storeSvid: false,
      hint: '',
      disableX509SvidPrefetch: false,
    },
  }
}

const bundles: PushContent = {
  kind: 'bundles',
  bundles: [
    {
      trustDomain,
      x509Authorities: [],
      jwtAuthorities: [],
      refreshHintSeconds: 0,
      sequenceNumber: 1,
    },
  ],
  digest: Uint8Array.of(7),
}

/** A message that says truly, unless told otherwise, what is held after it. */
function message(
  content: PushContent,
  held: readonly PushedEntry[],
  more = false,
  revision = 5,
): PushMessage {
  const digest = new SetDigest()
  for (const one of held) digest.add(one)
  const state = { epoch: 'e', revision, count: held.length, digest: digest.digest('e') }
  return { state, more, content }
}

type Script = (steps: AsyncIterator<PushStep>, signal: AbortSignal) => AsyncIterable<PushMessage>

/** A server whose streams follow the scripts, one after the other. */
function follow(...scripts: readonly Script[]) {
  const left = [...scripts]
  const retiring = new AbortController()
  const set = new PushedSet(trustDomain)
  const scene = { set, retiring, opened: 0, offersPush: true, used: [] as string[], quiet: 0 }
  const link: PushLink = {
    retired: retiring.signal,
    messages: (steps, signal) => {
      scene.opened++
      const script = left.shift()
      if (!script) throw new GrpcError({ statusCode: 14, statusMessage: 'no more scripts' })
      return script(steps[Symbol.asyncIterator](), signal)
    },
  }
  const server = {
    get offersPush() {
      return scene.offersPush
    },
    push: async <T>(use: (link: PushLink) => Promise<T>) => await use(link),
  }
  const stream = new PushStream({
    server,
    set,
    apply: async ({ entries }: PulledState) => void scene.used.push([...entries.keys()].join('')),
    onQuiet: () => void scene.quiet++,
    clock,
    log: silentLogger,
    chance: () => 0.5,
  })
  return Object.assign(scene, { stream, done: stream.follow(stopping.signal) })
}

function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    const fail = (): void => reject(new GrpcError({ statusCode: 1, statusMessage: 'canceled' }))
    if (signal.aborted) fail()
    else signal.addEventListener('abort', fail)
  })
}

async function turns(): Promise<void> {
  for (let n = 0; n < 3; n++) await new Promise((resolve) => setImmediate(resolve))
}

describe('an agent that follows', () => {
  it('uses a change when its last message is there, and acknowledges with its own digest', async () => {
    const acks: PushStep[] = []
    const [a, b] = [entry('a'), entry('b')]
    const scene = follow(async function* (steps, signal) {
      expect((await steps.next()).value).toMatchObject({ kind: 'open', held: undefined })
      yield message(bundles, [a, b], true)
      yield message({ kind: 'snapshot', entries: [a] }, [a, b], true)
      expect(scene.used).toEqual([])
      yield message({ kind: 'snapshot', entries: [b] }, [a, b])
      acks.push((await steps.next()).value as PushStep)
      yield message({ kind: 'delta', entries: [], removedIds: ['a'] }, [b], false, 6)
      acks.push((await steps.next()).value as PushStep)
      await aborted(signal)
    })
    await turns()
    expect(scene.used).toEqual(['ab', 'b'])
    expect(acks.map((ack) => [ack.kind, ack.held?.revision, ack.held?.count])).toEqual([
      ['ack', 5, 2],
      ['ack', 6, 1],
    ])
    expect(scene.set.bundlesDigest).toEqual(Uint8Array.of(7))
  })

  it('never uses what is not what its digest says: it shows its own, and takes the snapshot', async () => {
    const [a, b] = [entry('a'), entry('b')]
    const scene = follow(async function* (steps, signal) {
      yield message(bundles, [a], true)
      yield message({ kind: 'snapshot', entries: [a] }, [a])
      await steps.next()
      await steps.next()
      yield message({ kind: 'delta', entries: [b], removedIds: [] }, [a, b, entry('c')], false, 6)
      const { value } = await steps.next()
      expect(value).toMatchObject({ kind: 'ack', held: { count: 2 } })
      yield message({ kind: 'snapshot', entries: [a, b, entry('c')] }, [a, b, entry('c')], false, 6)
      await aborted(signal)
    })
    await turns()
    expect(scene.used).toEqual(['a', 'abc'])
  })

  it('gives up on a server whose snapshots are not what they say', async () => {
    const lie: Script = async function* () {
      yield message(bundles, [], true)
      yield message({ kind: 'snapshot', entries: [entry('a')] }, [])
    }
    const scene = follow(lie, lie, lie)
    await turns()
    clock.advance(1_000)
    await turns()
    clock.advance(1_000)
    await scene.done
    expect(scene.opened).toBe(2)
    expect(scene.used).toEqual([])
  })

  it('asks no further where the server does not push', async () => {
    const scene = follow(async function* () {
      await turns()
      scene.offersPush = false
      yield* []
      throw new GrpcError({ statusCode: 12, statusMessage: 'unknown service' })
    })
    await scene.done
    expect([scene.opened, scene.stream.isOffered]).toEqual([1, false])
  })

  it('opens the next stream with what it holds when the server ends one, or its SVID has changed', async () => {
    const a = entry('a')
    const opened: unknown[] = []
    const quiet: Script = async function* (steps, signal) {
      opened.push(((await steps.next()).value as PushStep).held?.revision)
      yield message({ kind: 'heartbeat' }, [a])
      await aborted(signal)
    }
    const first: Script = async function* (steps) {
      await steps.next()
      yield message(bundles, [a], true)
      yield message({ kind: 'snapshot', entries: [a] }, [a])
    }
    const scene = follow(first, quiet)
    await turns()
    expect([opened, scene.quiet, scene.opened]).toEqual([[5], 1, 2])
    scene.retiring.abort()
    await turns()
    expect(scene.opened).toBeGreaterThan(2)
  })

  it('takes silence for a lost connection, and one broken stream for chance', async () => {
    const silent: Script = async function* (_steps, signal) {
      yield* []
      await aborted(signal)
    }
    const scene = follow(silent, silent)
    await turns()
    for (let n = 0; n < 70; n++) {
      clock.advance(1_000)
      await turns()
    }
    await scene.done
    expect(scene.opened).toBe(2)
  })

  it('ends with what the server decided about it', async () => {
    const banned = new GrpcError({
      statusCode: 7,
      statusMessage: 'no',
      details: [
        {
          typeUrl: 'type.googleapis.com/spire.api.types.PermissionDeniedDetails',
          value: Uint8Array.of(8, 4),
        },
      ],
    })
    const scene = follow(async function* () {
      yield* []
      throw banned
    })
    await expect(scene.done).rejects.toBe(banned)
  })
})
