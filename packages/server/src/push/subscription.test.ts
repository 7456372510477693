import { SetDigest } from '@mini-spire/runtime/set-digest'
import { TrustDomain } from '@mini-spire/sdk/spiffe-id'
import { describe, expect, it } from 'vitest'
import { testDomain, testEntry, testId, testNode, testSelectors } from '../store/store.test-kit.ts'
import { awaitAgents, findAgents } from './await-agents.ts'
import { PushScene, type TextMessage } from './push.test-kit.ts'
import type { HeldState } from './set-group.ts'
import { type AgentStep, Subscription } from './subscription.ts'

const one = 'spiffe://example.org/spire/agent/one'
const two = 'spiffe://example.org/spire/agent/two'
const oneParent = testId('/spire/agent/one')
const twoParent = testId('/spire/agent/two')

/** An agent's end of a stream, moved by hand. */
class Listener {
  readonly messages: TextMessage[] = []
  failure: unknown
  hasEnded = false
  /** While it is true, nothing is read. */
  isPaused = false
  readonly gone = new AbortController()
  readonly #steps: AgentStep[] = []
  #wake: () => void = () => {}
  readonly #scene: PushScene

  constructor(scene: PushScene, agentId: string, notAfterMs = Number.POSITIVE_INFINITY) {
    this.#scene = scene
    const subscription = new Subscription({
      hub: scene.hub,
      agentId,
      clock: scene.clock,
      chance: () => 0,
      notAfterMs,
      signal: this.gone.signal,
    })
    void this.#read(subscription)
  }

  async say(...steps: readonly AgentStep[]): Promise<void> {
    this.#steps.push(...steps)
    this.#wake()
    await this.#scene.settle()
  }

  open(held?: HeldState): Promise<void> {
    return this.say({ kind: 'open', held })
  }

  /** Acknowledges the newest message. */
  ack(): Promise<void> {
    const { revision, digest } = this.last
    return this.say({ kind: 'ack', revision, digest })
  }

  get last(): TextMessage {
    return this.messages.at(-1) as TextMessage
  }

  /** What came, in a few words, and forgets it. */
  news(): string {
    const text = ({ kind, entries = [], removed = [] }: TextMessage): string =>
      [kind, ...entries, ...removed.map((id) => `-${id}`)].join(' ')
    return this.messages.splice(0).map(text).join(', ')
  }

  async #read(subscription: Subscription): Promise<void> {
    try {
      for await (const bytes of subscription.messages(this.#said())) {
        this.messages.push(JSON.parse(Buffer.from(bytes).toString()))
        while (this.isPaused) await new Promise((resolve) => setImmediate(resolve))
      }
    } catch (error) {
      this.failure = error
    }
    this.hasEnded = true
  }

  async *#said(): AsyncGenerator<AgentStep, void> {
    for (;;) {
      const step = this.#steps.shift()
      if (step) yield step
      else {
        await new Promise<void>((resolve) => {
          this.#wake = resolve
        })
      }
    }
  }
}

function scene(): PushScene {
  const made = new PushScene()
  made.putBundle(testDomain, 1)
  made.put(
    testEntry('a', { parentId: oneParent }),
    testEntry('b', { parentId: oneParent }),
    testEntry('z', { parentId: twoParent }),
  )
  return made
}

function heldBy(made: PushScene, revision: number, ids: readonly string[], epoch = made.epoch) {
  const digest = new SetDigest()
  for (const id of ids) digest.add(testEntry(id))
  const hex = Buffer.from(digest.digest(epoch)).toString('hex')
  return { position: { epoch, revision }, digest: hex, bundlesDigest: '' }
}

describe('an agent that listens', () => {
  it('sees its own set and never another, whatever it says it holds', async () => {
    const made = scene()
    const listener = new Listener(made, one)
    await listener.open(heldBy(made, made.revision, ['z']))
    expect(listener.news()).toBe('bundles, snapshot a b')
    made.put(testEntry('y', { parentId: twoParent }))
    made.drop('z')
    await made.settle()
    expect(listener.news()).toBe('')
  })

  it('hears each change once it has acknowledged the one before, with count and digest', async () => {
    const made = scene()
    const listener = new Listener(made, one)
    await listener.open()
    made.put(testEntry('c', { parentId: oneParent }))
    await made.settle()
    expect(listener.messages.map(({ kind }) => kind)).toEqual(['bundles', 'snapshot'])
    await listener.ack()
    expect(listener.last).toMatchObject({
      kind: 'delta',
      entries: ['c'],
      count: 3,
      digest: heldBy(made, 0, ['a', 'b', 'c']).digest,
    })
    await listener.ack()
    listener.news()
    made.drop('a')
    await made.settle()
    expect(listener.news()).toBe('delta -a')
  })

  it('gets the bundles of what its entries federate with, when either changes', async () => {
    const made = scene()
    const foreign = TrustDomain.parse('foreign.org')
    made.putBundle(foreign, 1)
    const listener = new Listener(made, one)
    await listener.open()
    await listener.ack()
    listener.news()
    made.putBundle(foreign, 2)
    await made.settle()
    expect(listener.news()).toBe('')
    made.put(testEntry('a', { parentId: oneParent, federatesWith: [foreign], revisionNumber: 1 }))
    await made.settle()
    expect(listener.last.kind).toBe('delta')
    await listener.ack()
    expect(listener.news()).toBe('bundles, delta a')
    made.putBundle(foreign, 3)
    await made.settle()
    expect(listener.news()).toBe('bundles')
  })

  it('moves to another set with its aliases and its first own entry', async () => {
    const made = new PushScene()
    made.putNode(testNode('/spire/agent/one', { selectors: testSelectors('k:v') }))
    made.put(testEntry('shared', { parentId: testId('/alias') }))
    const listener = new Listener(made, one)
    await listener.open()
    expect(listener.news()).toBe('bundles, snapshot')
    made.put(
      testEntry('alias', {
        parentId: testId('/spire/server'),
        spiffeId: testId('/alias'),
        selectors: testSelectors('k:v'),
      }),
    )
    await made.settle()
    expect(listener.news()).toBe('bundles, snapshot shared')
    made.put(testEntry('own', { parentId: oneParent }))
    await made.settle()
    expect(listener.news()).toBe('bundles, snapshot shared own')
    made.putNode(testNode('/spire/agent/one'))
    await made.settle()
    expect(listener.news()).toBe('bundles, snapshot own')
  })
})

describe('an agent that comes back', () => {
  it('with what is current hears only that it is, and counts as up to date', async () => {
    const made = scene()
    const first = new Listener(made, one)
    await first.open()
    first.gone.abort()
    await made.settle()
    const listener = new Listener(made, one)
    await listener.open(heldBy(made, first.last.revision, ['a', 'b']))
    expect(listener.news()).toBe('bundles')
    const polled = new Listener(made, one)
    await polled.open(heldBy(made, 0, ['a', 'b'], ''))
    expect(polled.news()).toBe('bundles')
    expect(listener.failure).toMatchObject({ code: 'ERR_PUSH_REPLACED' })
  })

  it('behind by some changes gets those', async () => {
    const made = scene()
    const first = new Listener(made, one)
    await first.open()
    const bundlesDigest = Buffer.from(
      // What the hub hashed: the length and text of the one bundle.
      await crypto.subtle.digest(
        'SHA-256',
        Buffer.concat([Buffer.from([0, 0, 0, 0, 0, 0, 0, 13]), Buffer.from('example.org 1')]),
      ),
    ).toString('hex')
    const held = { ...heldBy(made, first.last.revision, ['a', 'b']), bundlesDigest }
    first.gone.abort()
    made.put(testEntry('c', { parentId: oneParent }))
    await made.settle()
    made.drop('b')
    await made.settle()
    const listener = new Listener(made, one)
    await listener.open(held)
    expect(listener.news()).toBe('delta c, delta -b')
  })

  it.each([
    ['from the future', (made: PushScene) => heldBy(made, 1_000_000, ['a', 'b', 'future'])],
    ['from another epoch', (made: PushScene) => heldBy(made, made.revision, ['a', 'b'], 'other')],
    ['with a digest of nothing', (made: PushScene) => heldBy(made, made.revision, [])],
  ])('%s gets a snapshot', async (_from, held) => {
    const made = scene()
    const listener = new Listener(made, one)
    await listener.open(held(made))
    expect(listener.news()).toBe('bundles, snapshot a b')
  })

  it('to a set that was gone meanwhile hears of every change, also when the old set would have been forgotten', async () => {
    const made = scene()
    const left = new Listener(made, one)
    await left.open()
    left.gone.abort()
    await made.settle(5_000)
    made.drop('a', 'b')
    await made.settle(5_000)
    made.put(testEntry('a', { parentId: oneParent }))
    const listener = new Listener(made, one)
    await listener.open()
    await listener.ack()
    await made.settle(52_000)
    expect(listener.hasEnded).toBe(false)
    listener.news()
    made.put(testEntry('c', { parentId: oneParent }))
    await made.settle()
    expect(listener.news()).toBe('delta c')
  })
})

describe('an agent that misbehaves', () => {
  it.each<[string, readonly AgentStep[]]>([
    ['acknowledges what it was not sent', [{ kind: 'ack', revision: 99, digest: '' }]],
    ['opens twice', [{ kind: 'open', held: undefined }]],
  ])('and %s loses its stream', async (_what, steps) => {
    const listener = new Listener(scene(), one)
    await listener.open()
    await listener.say(...steps)
    expect(listener.failure).toMatchObject({ code: 'ERR_PUSH_PROTOCOL' })
  })

  it('and does not open first gets nothing', async () => {
    const listener = new Listener(scene(), one)
    await listener.say({ kind: 'ack', revision: 0, digest: '' })
    expect(listener.failure).toMatchObject({ code: 'ERR_PUSH_PROTOCOL' })
    expect(listener.messages).toEqual([])
  })

  it('and acknowledges with another digest gets a snapshot, but not for ever', async () => {
    const made = scene()
    const listener = new Listener(made, one)
    await listener.open()
    let asked = 1
    for (; !listener.hasEnded && asked < 100; asked++) {
      await listener.say({ kind: 'ack', revision: listener.last.revision, digest: 'wrong' })
    }
    expect(listener.failure).toMatchObject({ code: 'ERR_PUSH_TOO_OFTEN' })
    expect(asked).toBeLessThan(15)
  })

  it('and floods with streams is refused, while another agent is served', async () => {
    const made = scene()
    const listeners: Listener[] = []
    for (let n = 0; n < 30; n++) {
      const listener = new Listener(made, one)
      listeners.push(listener)
      await listener.open()
    }
    const refused = listeners.filter(
      ({ failure }) => (failure as { code?: string })?.code === 'ERR_PUSH_TOO_OFTEN',
    )
    expect(refused.length).toBeGreaterThan(15)
    expect(made.hub.size).toBe(1)
    const other = new Listener(made, two)
    await other.open()
    expect(other.news()).toBe('bundles, snapshot z')
  })

  it('and does not read holds nobody up, and finds a snapshot instead of what it missed', async () => {
    const made = scene()
    const [slow, quick] = [new Listener(made, one), new Listener(made, two)]
    await slow.open()
    await slow.ack()
    await quick.open()
    slow.isPaused = true
    slow.news()
    for (let n = 0; n < 200; n++) {
      made.put(
        testEntry(`one-${n}`, { parentId: oneParent }),
        testEntry(`two-${n}`, { parentId: twoParent }),
      )
      await made.settle(20)
      await quick.ack()
    }
    expect(quick.last.count).toBe(201)
    expect(slow.messages.length).toBeLessThan(3)
    slow.isPaused = false
    await made.settle()
    await slow.ack()
    expect(slow.messages.map(({ kind }) => kind).slice(-2)).toEqual(['bundles', 'snapshot'])
    expect(slow.last.count).toBe(202)
  })
})

describe('a stream', () => {
  it('says every ten seconds that nothing is new, and ends before its connection is too old', async () => {
    const made = scene()
    const listener = new Listener(made, one)
    await listener.open()
    await listener.ack()
    listener.news()
    await made.settle(21_000)
    expect(listener.news()).toBe('heartbeat, heartbeat')
    await made.settle(40_000)
    expect([listener.hasEnded, listener.failure, made.hub.size]).toEqual([true, undefined, 0])
  })

  it('ends with the certificate of its agent', async () => {
    const made = scene()
    const listener = new Listener(made, one, made.clock.nowMs() + 5_000)
    await listener.open()
    await made.settle(6_000)
    expect([listener.hasEnded, listener.failure]).toEqual([true, undefined])
  })

  it('is refused when agents listen for as many entries as the server may hold for them', async () => {
    const made = new PushScene(undefined, undefined, 2)
    made.put(
      testEntry('a', { parentId: oneParent }),
      testEntry('b', { parentId: oneParent }),
      testEntry('z', { parentId: twoParent }),
    )
    const [first, second] = [new Listener(made, one), new Listener(made, two)]
    await first.open()
    await second.open()
    expect(second.failure).toMatchObject({ code: 'ERR_PUSH_FULL' })
    expect(first.hasEnded).toBe(false)
  })
})

describe('who waits for agents', () => {
  it('hears which have acknowledged, which have not, and which do not listen', async () => {
    const made = scene()
    const [done, behind] = [new Listener(made, one), new Listener(made, two)]
    await done.open()
    await done.ack()
    await behind.open()
    const away = 'spiffe://example.org/spire/agent/away'
    const waiting = awaitAgents({
      hub: made.hub,
      position: made.position(),
      agentIds: [one, two, away],
      timeoutMs: 3_000,
      clock: made.clock,
      signal: new AbortController().signal,
    })
    await made.settle(4_000)
    expect([...(await waiting)]).toEqual([
      [one, 'acknowledged'],
      [two, 'behind'],
      [away, 'not-connected'],
    ])
  })

  it('waits no longer than it takes', async () => {
    const made = scene()
    const listener = new Listener(made, one)
    await listener.open()
    await listener.ack()
    made.put(testEntry('c', { parentId: oneParent }))
    const waiting = awaitAgents({
      hub: made.hub,
      position: made.position(),
      agentIds: [one],
      timeoutMs: 60_000,
      clock: made.clock,
      signal: new AbortController().signal,
    })
    await made.settle()
    await listener.ack()
    expect([...(await waiting).values()]).toEqual(['acknowledged'])
  })

  it('finds the agents of an entry, those that can still listen', async () => {
    const made = scene()
    for (const name of ['one', 'two'])
      made.putNode(testNode(`/spire/agent/${name}`, { expiresAtSeconds: 4_000_000_000 }))
    const sources = { ...made.registry, clock: made.clock }
    expect(await findAgents(sources, ['a', 'unknown'])).toEqual([one])
    expect(await findAgents(sources, ['b', 'z'])).toEqual([one, two])
    made.putNode(testNode('/spire/agent/one', { serialNumber: '' }))
    expect(await findAgents(sources, ['a'])).toEqual([])
    expect(await findAgents(sources, [])).toEqual([])
  })
})
