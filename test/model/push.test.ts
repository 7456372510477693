import { FakeClock } from '@mini-spire/runtime/clock.test-kit'
import { TrustDomain } from '@mini-spire/sdk/spiffe-id'
import { pushEncoder } from '@mini-spire/server/api/push/convert'
import { awaitAgents } from '@mini-spire/server/push/await-agents'
import { PushScene } from '@mini-spire/server/push/push.test-kit'
import {
  testDomain,
  testEntry,
  testId,
  testNode,
  testSelectors,
} from '@mini-spire/server/store/store.test-kit'
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { PushAgent } from './push-agent.ts'

const names = ['a', 'b', 'c'] as const
const agentId = (name: string): string => `spiffe://example.org/spire/agent/${name}`
const parents = [...names.map((name) => `/spire/agent/${name}`), '/alias', '/w1', '/w2']
const selectors = fc
  .uniqueArray(fc.constantFrom('k:1', 'k:2'), { minLength: 1 })
  .map((texts) => testSelectors(...texts))
const domains = fc
  .uniqueArray(fc.constantFrom('one.org', 'two.org'))
  .map((list) => list.map((name) => TrustDomain.parse(name)))

const entry = fc.record({
  id: fc.integer({ min: 0, max: 11 }).map((n) => `e${n}`),
  spiffeId: fc.constantFrom('/alias', '/w1', '/w2', '/w3').map(testId),
  parentId: fc.constantFrom(...parents, '/spire/server').map(testId),
  selectors,
  federatesWith: domains,
})
const name = fc.constantFrom(...names)
const step = fc.oneof(
  { weight: 10, arbitrary: entry.map((fields) => ({ do: 'put' as const, fields })) },
  { weight: 4, arbitrary: entry.map(({ id }) => ({ do: 'drop' as const, id })) },
  {
    weight: 3,
    arbitrary: fc.record({ do: fc.constant('node' as const), name, selectors }),
  },
  {
    weight: 2,
    arbitrary: fc.constantFrom('one.org', 'two.org', 'example.org').map((domain) => ({
      do: 'bundle' as const,
      domain,
    })),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constantFrom('cut' as const, 'pause' as const, 'resume' as const),
      name,
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('restart' as const) }) },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant('burst' as const),
      name,
      count: fc.integer({ min: 60, max: 700 }),
    }),
  },
  {
    weight: 8,
    arbitrary: fc.record({
      do: fc.constant('wait' as const),
      ms: fc.constantFrom(10, 30, 200, 2_000, 20_000),
    }),
  },
)
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never

/** A server that is changed, agents that follow it, and what each of them was ever to have. */
class World {
  readonly clock = new FakeClock()
  server = new PushScene(pushEncoder, this.clock)
  readonly agents: readonly PushAgent[]
  readonly allowed = new Map<string, Set<string>>(names.map((one) => [agentId(one), new Set()]))
  readonly strayed: string[] = []
  #writes = 0

  constructor() {
    this.server.putBundle(testDomain, 1)
    this.agents = names.map(
      (one, n) =>
        new PushAgent(
          agentId(one),
          this.server,
          (agent) => this.#check(agent),
          () => n / 3,
        ),
    )
    for (const agent of this.agents) agent.start()
  }

  async do(step: Step): Promise<void> {
    const { server } = this
    switch (step.do) {
      case 'put':
        this.#put(step.fields)
        break
      case 'drop':
        server.drop(step.id)
        break
      case 'node':
        server.putNode(
          testNode(`/spire/agent/${step.name}`, {
            selectors: step.selectors,
            expiresAtSeconds: 4_000_000_000,
          }),
        )
        break
      case 'bundle':
        server.putBundle(TrustDomain.parse(step.domain), ++this.#writes)
        break
      case 'burst':
        for (let n = 0; n < step.count; n++) {
          const parentId = testId(`/spire/agent/${step.name}`)
          this.#put({ id: `burst-${n}`, parentId, spiffeId: testId('/w3') })
        }
        break
      case 'restart':
        this.#restart()
        break
      case 'wait':
        await server.settle(step.ms)
        break
      default:
        this.agents.find(({ id }) => id === agentId(step.name))?.[step.do]()
    }
    this.#remember()
  }

  /** Everything runs again and comes to rest. */
  async rest(): Promise<void> {
    for (const agent of this.agents) agent.resume()
    for (let n = 0; n < 6; n++) await this.server.settle(10_000)
  }

  async stop(): Promise<void> {
    await Promise.all([...this.agents.map((agent) => agent.stop()), this.server.settle(10_000)])
  }

  #put(fields: Parameters<typeof testEntry>[1] & { readonly id: string }): void {
    const before = this.server.registry.entries.find(fields.id)
    this.#writes++
    const revisionNumber = before ? before.revisionNumber + 1 : 0
    const createdAtSeconds = before?.createdAtSeconds ?? this.#writes
    this.server.put({ ...testEntry(fields.id), ...fields, revisionNumber, createdAtSeconds })
  }

  /** As after a restore: the same records, another epoch. */
  #restart(): void {
    const { registry } = this.server
    const next = new PushScene(pushEncoder, this.clock)
    for (const node of registry.nodes.values()) next.putNode(node)
    next.put(...registry.entries.values())
    for (const { trustDomain, sequenceNumber } of registry.bundles.values())
      next.putBundle(trustDomain, sequenceNumber)
    this.server = next
    for (const agent of this.agents) agent.move(next)
  }

  #remember(): void {
    for (const [id, seen] of this.allowed) {
      for (const { id: entryId, revisionNumber } of this.authorized(id))
        seen.add(`${entryId} ${revisionNumber}`)
    }
  }

  authorized(id: string) {
    return this.server.registry.entries.authorizedFor(id).entries()
  }

  #check(agent: PushAgent): void {
    this.#remember()
    for (const { id, revisionNumber } of agent.entries.values()) {
      if (!this.allowed.get(agent.id)?.has(`${id} ${revisionNumber}`))
        this.strayed.push(`${agent.id} ${id}`)
    }
  }
}

function bundlesOf(world: World, id: string): readonly string[] {
  const wanted = world
    .authorized(id)
    .flatMap(({ federatesWith }) => federatesWith.map((one) => one.name))
  return [...new Set(['example.org', ...wanted])].sort().flatMap((one) => {
    const bundle = world.server.registry.bundles.find(one)
    return bundle ? [`${one} ${bundle.sequenceNumber}`] : []
  })
}

function expectComplete(world: World): void {
  expect(world.strayed).toEqual([])
  for (const agent of world.agents) {
    const held = [...agent.entries.values()].map((e) => `${e.id} ${e.revisionNumber}`)
    const has = world.authorized(agent.id).map((e) => `${e.id} ${e.revisionNumber}`)
    expect(held.sort()).toEqual([...has].sort())
    expect(agent.bundles).toEqual(bundlesOf(world, agent.id))
    expect(agent.warnings).toEqual([])
  }
}

const steps = fc.array(step, { minLength: 5, maxLength: 40, size: 'max' })
const changes = fc.array(
  step.filter((one) => ['put', 'drop', 'node', 'bundle'].includes(one.do)),
  { minLength: 1, maxLength: 6 },
)

it('agents come to hold exactly what the server has for them, whatever happens on the way', async () => {
  const runs = Math.ceil(60 * Number(process.env['MODEL_SCALE'] ?? 1))
  await fc.assert(
    fc.asyncProperty(steps, changes, async (before, after) => {
      const world = new World()
      try {
        for (const one of before) await world.do(one)
        await world.rest()
        expectComplete(world)
        // Nothing is in the way now: what changes is there at once, not only when a stream begins anew.
        for (const one of after) await world.do(one)
        await world.server.settle(500)
        expectComplete(world)
        const waiting = awaitAgents({
          hub: world.server.hub,
          position: world.server.position(),
          agentIds: world.agents.map(({ id }) => id),
          timeoutMs: 10_000,
          clock: world.clock,
          signal: new AbortController().signal,
        })
        await world.server.settle(12_000)
        expect([...(await waiting).values()]).toEqual(names.map(() => 'acknowledged'))
      } finally {
        await world.stop()
      }
    }),
    { numRuns: runs },
  )
}, 240_000)
