import { FakeClock } from '@mini-spire/runtime/clock.test-kit'
import { silentLogger } from '@mini-spire/runtime/log/logger'
import { type Metrics, noMetrics } from '@mini-spire/runtime/telemetry/metrics'
import { describe, expect, it } from 'vitest'
import { Registry } from '../registry/registry.ts'
import { MemoryStore } from '../store/memory/memory-store.ts'
import { putEntries, testCause, testEntry, testNode } from '../store/store.test-kit.ts'
import type { Store } from '../store/store.ts'
import {
  countReload,
  countReplay,
  measuredRegistry,
  measuredStore,
  measurePruning,
} from './datastore-metrics.ts'

const clock = new FakeClock()

function recorder(): { readonly seen: string[]; readonly metrics: Metrics } {
  const seen: string[] = []
  const count: Metrics['count'] = (key, _, labels) =>
    void seen.push(`${key.join('.')} ${labels?.['status']}`)
  return { seen, metrics: { ...noMetrics, count } }
}

async function scene() {
  const { seen, metrics } = recorder()
  const registry = new Registry({ clock })
  const plain: Store = MemoryStore.create({ clock, log: silentLogger })
  await countReplay(metrics, () =>
    plain.open((changes) => countReload(metrics, changes, () => registry.apply(changes))),
  )
  const store = measuredStore(metrics, plain)
  return { seen, store, registry: measuredRegistry(metrics, registry), metrics }
}

const entry = testEntry('one')

describe('what the store is asked', () => {
  it('is listed whole at the start, which is a reload', async () => {
    const { seen } = await scene()
    expect(seen.slice(-6)).toEqual([
      'datastore.registration_entry.list OK',
      'datastore.node.list OK',
      'datastore.bundle.list OK',
      'datastore.federation_relationship.list OK',
      'datastore.node.selectors.list OK',
      'entry.cache.reload OK',
    ])
  })

  it('is counted record by record, with what became of each, and the reload that it causes', async () => {
    const { seen, store } = await scene()
    seen.length = 0
    await store.commit([putEntries(entry), putEntries(entry)])
    expect(seen).toEqual([
      'entry.cache.reload OK',
      'datastore.registration_entry.create OK',
      'datastore.registration_entry.create AlreadyExists',
    ])
    seen.length = 0
    const node = testNode('/node')
    const key = String(node.spiffeId)
    await store.commit([
      {
        cause: testCause,
        mutations: [{ op: 'put', kind: 'node', key, value: node, expect: 'any' }],
      },
      { cause: testCause, mutations: [{ op: 'delete', kind: 'entry', key: 'one', expect: 'any' }] },
    ])
    expect(seen.slice(-3)).toEqual([
      'datastore.node.update OK',
      'datastore.node.selectors.set OK',
      'datastore.registration_entry.delete OK',
    ])
  })

  it('to prune is counted once, whether anything was deleted or not', async () => {
    const { seen, store, metrics } = await scene()
    await store.commit([putEntries(entry)])
    seen.length = 0
    const cause = { ...testCause, reason: 'entry prune' }
    await measurePruning(metrics, 'registration_entry', () =>
      store.commit([
        { cause, mutations: [{ op: 'delete', kind: 'entry', key: 'one', expect: 'any' }] },
      ]),
    )
    expect(seen).toEqual([
      'entry.cache.reload OK',
      'datastore.registration_entry.prune OK',
      'registration_entry.manager.prune OK',
    ])
    await expect(
      measurePruning(metrics, 'node', () => Promise.reject(new Error('x'))),
    ).rejects.toThrow('x')
    expect(seen.slice(-2)).toEqual(['datastore.node.prune Unknown', 'node.manager.prune Unknown'])
  })

  it('is everything when it fails', async () => {
    const { seen, store } = await scene()
    await store.close()
    seen.length = 0
    await expect(store.commit([putEntries(entry)])).rejects.toMatchObject({
      code: 'ERR_STORE_UNAVAILABLE',
    })
    expect(seen).toEqual(['datastore.registration_entry.create Unavailable'])
  })
})

describe('what the registry is asked', () => {
  it('is counted by what it is asked for', async () => {
    const { seen, registry } = await scene()
    seen.length = 0
    registry.entries.list()
    registry.entries.count()
    registry.entries.find('one')
    registry.nodes.find('one')
    registry.bundles.find('example.org')
    registry.relationships.list()
    expect(seen).toEqual([
      'datastore.registration_entry.list OK',
      'datastore.registration_entry.count OK',
      'datastore.registration_entry.fetch OK',
      'datastore.node.fetch OK',
      'datastore.node.selectors.fetch OK',
      'datastore.bundle.fetch OK',
      'datastore.federation_relationship.list OK',
    ])
  })

  it('and the store are themselves when nobody counts', () => {
    const registry = new Registry({ clock })
    const store = MemoryStore.create({ clock, log: silentLogger })
    expect(measuredRegistry(noMetrics, registry)).toBe(registry)
    expect(measuredStore(noMetrics, store)).toBe(store)
  })
})
