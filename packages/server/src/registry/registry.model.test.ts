import { FakeClock } from '@mini-spire/runtime/clock.test-kit'
import { TrustDomain } from '@mini-spire/sdk/spiffe-id'
import fc from 'fast-check'
import { expect, it } from 'vitest'
import type { RegistrationEntry } from '../model/registration-entry.ts'
import { testEntry, testId, testNode, testSelectors } from '../store/store.test-kit.ts'
import type { AppliedChange } from '../store/store.ts'
import type { EntryFilter } from './entry-filter.ts'
import { NaiveRegistry } from './registry.model.test-kit.ts'
import { Registry } from './registry.ts'

const nowSeconds = 1_772_366_400
const clock = new FakeClock(new Date(nowSeconds * 1000))

const agents = ['/spire/agent/a', '/spire/agent/b', '/spire/agent/c', '/nested']
const workloads = ['/w1', '/w2', '/w3', '/w4', '/nested']
const path = fc.constantFrom(...workloads)
const parent = fc.constantFrom(...agents, ...workloads, '/spire/server', '/spire/server')
const selectors = fc
  .uniqueArray(fc.constantFrom('t:1', 't:2', 'u:1', 'u:2'), { minLength: 1, maxLength: 3 })
  .map((texts) => testSelectors(...texts))
const domains = fc
  .uniqueArray(fc.constantFrom('one.org', 'two.org'))
  .map((names) => names.map((name) => TrustDomain.parse(name)))

const entry = fc.record({
  id: fc.constantFrom('e1', 'e2', 'e3', 'e4', 'e5', 'e6', 'e7', 'e8'),
  spiffeId: path.map(testId),
  parentId: parent.map(testId),
  selectors,
  federatesWith: domains,
  hint: fc.constantFrom('', 'x', 'y'),
  downstream: fc.boolean(),
  expiresAtSeconds: fc.constantFrom(0, 10, 3599, 3600, 7300),
})
const node = fc.record({
  path: fc.constantFrom(...agents),
  selectors,
  serialNumber: fc.constantFrom('1', '1', '1', ''),
  expiresAtSeconds: fc.constantFrom(nowSeconds - 10, nowSeconds + 100),
})
const match = fc.constantFrom('exact', 'subset', 'superset', 'any')
const filter: fc.Arbitrary<EntryFilter> = fc.record(
  {
    spiffeId: path.map(testId),
    parentId: parent.map(testId),
    selectors: fc.record({ match, selectors }),
    federatesWith: fc.record({ match, trustDomains: domains }),
    hint: fc.constantFrom('', 'x', 'y'),
    downstream: fc.boolean(),
  },
  { requiredKeys: [] },
)
const step = fc.oneof(
  { weight: 6, arbitrary: entry.map((fields) => ({ do: 'put' as const, fields })) },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constant('drop' as const), id: entry.map((e) => e.id) }),
  },
  { weight: 2, arbitrary: node.map((fields) => ({ do: 'node' as const, fields })) },
  { weight: 1, arbitrary: fc.constantFrom(...agents).map((at) => ({ do: 'evict' as const, at })) },
  {
    weight: 3,
    arbitrary: fc.record({ do: fc.constant('list' as const), filter, size: fc.nat(4) }),
  },
)

/** Feeds the registry as a store would. */
class Feeder {
  readonly registry = new Registry({ clock })
  readonly model = new NaiveRegistry()
  readonly #created = new Map<string, number>()
  #revision = 0

  entry(id: string, value: RegistrationEntry | undefined): void {
    this.#apply({ kind: 'entry', key: id, value })
    if (value) this.model.entries.set(id, value)
    else this.model.entries.delete(id)
  }

  node(at: string, fields: Partial<ReturnType<typeof testNode>> | undefined): void {
    const key = `${testId(at)}`
    const value = fields && testNode(at, fields)
    this.#apply({ kind: 'node', key, value })
    if (value) this.model.nodes.set(key, value)
    else this.model.nodes.delete(key)
  }

  #apply(change: Pick<AppliedChange, 'kind' | 'key' | 'value'>): void {
    const name = `${change.kind} ${change.key}`
    const known = this.#created.get(name)
    if (known === undefined && change.value === undefined) return
    const revision = ++this.#revision
    const createdRevision = known ?? revision
    if (change.value === undefined) this.#created.delete(name)
    else this.#created.set(name, createdRevision)
    const position = { epoch: 'epoch', revision }
    this.registry.apply([{ ...change, position, createdRevision } as AppliedChange])
  }
}

function expectSameAuthorized({ registry, model }: Feeder, at: string): void {
  const id = `${testId(at)}`
  const authorized = registry.entries.authorizedFor(id)
  const wanted = model.authorized(id, nowSeconds)
  expect(new Set(authorized.entries().map((found) => found.id))).toEqual(wanted)
  expect(authorized.size).toBe(wanted.size)
  for (const key of model.entries.keys()) {
    const found = authorized.find(key)
    expect(found).toEqual(wanted.has(key) ? model.entries.get(key) : undefined)
  }
}

function expectSameList({ registry, model }: Feeder, wanted: EntryFilter, size: number): void {
  const expected = model.list(wanted).map(({ id }) => id)
  expect(registry.entries.list({ filter: wanted }).entries.map(({ id }) => id)).toEqual(expected)
  expect(registry.entries.count(wanted)).toBe(expected.length)
  if (size === 0) return
  const paged: string[] = []
  let pageToken = ''
  do {
    const page = registry.entries.list({ filter: wanted, pageSize: size, pageToken })
    expect(page.entries.length).toBeLessThanOrEqual(size)
    paged.push(...page.entries.map(({ id }) => id))
    pageToken = page.nextPageToken
  } while (pageToken !== '')
  expect(paged).toEqual(expected)
}

function run(
  feeder: Feeder,
  action: typeof step extends fc.Arbitrary<infer Step> ? Step : never,
): void {
  switch (action.do) {
    case 'put':
      {
        const value = testEntry(action.fields.id, action.fields)
        expect(
          feeder.registry.entries.findSimilar(value.spiffeId, value.parentId, value.selectors)?.id,
        ).toBe(feeder.model.similar(value)?.id)
        feeder.entry(value.id, value)
      }
      break
    case 'drop':
      feeder.entry(action.id, undefined)
      break
    case 'node':
      feeder.node(action.fields.path, {
        selectors: action.fields.selectors,
        serialNumber: action.fields.serialNumber,
        expiresAtSeconds: action.fields.expiresAtSeconds,
      })
      break
    case 'evict':
      feeder.node(action.at, undefined)
      break
    case 'list':
      expectSameList(feeder, action.filter, action.size)
      break
  }
}

it('answers as a walk over all entries would, whatever changed before', () => {
  fc.assert(
    fc.property(fc.array(step, { minLength: 10, maxLength: 60 }), (steps) => {
      const feeder = new Feeder()
      for (const action of steps) {
        run(feeder, action)
        // Asking keeps the sets computed, so that the next change has something to keep up to date.
        for (const at of agents) expectSameAuthorized(feeder, at)
      }
      const { registry, model } = feeder
      expect([...registry.entries.values()]).toEqual([...model.entries.values()])
      const expired = registry.entries.expiredBefore(3600).map(({ id }) => id)
      expect(expired.sort()).toEqual(
        [...model.entries.values()]
          .filter(({ expiresAtSeconds: at }) => at !== 0 && at < 3600)
          .map(({ id }) => id)
          .sort(),
      )
    }),
    { numRuns: 250 },
  )
})
