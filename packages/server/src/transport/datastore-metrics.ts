import { measureMethods } from '@mini-spire/runtime/telemetry/measure-methods'
import {
  type MetricKey,
  type Metrics,
  measureCall,
  noMetrics,
  statusOf,
} from '@mini-spire/runtime/telemetry/metrics'
import type { OwnBundle } from '../bundle/own-bundle.ts'
import type { Registry } from '../registry/registry.ts'
import type { Mutation, RecordKind, Store, Transaction } from '../store/store.ts'

/** What SPIRE calls the tables in its metrics. */
const nouns: Readonly<Record<RecordKind, string>> = {
  entry: 'registration_entry',
  node: 'node',
  bundle: 'bundle',
  'join-token': 'join_token',
  'ca-journal': 'ca_journal',
  'federation-relationship': 'federation_relationship',
  'used-token': 'used_token',
}

const keyOf = (...parts: readonly string[]): MetricKey => ['datastore', ...parts]

/** Counts what is written, record by record, under the names of SPIRE's datastore calls. */
export function measuredStore(metrics: Metrics, store: Store): Store {
  if (metrics === noMetrics) return store
  return new Proxy(store, {
    get(_, name) {
      if (name === 'commit') return commit
      const value: unknown = Reflect.get(store, name, store)
      return typeof value === 'function' ? value.bind(store) : value
    },
  })

  async function commit(transactions: readonly Transaction[]): ReturnType<Store['commit']> {
    const startedMs = performance.now()
    const count = (codes: (index: number) => number): void => {
      const durationMs = performance.now() - startedMs
      for (const [index, transaction] of transactions.entries())
        for (const key of keysOf(transaction))
          measureCall(metrics, { key, durationMs, code: codes(index) })
    }
    try {
      const refusals = await store.commit(transactions)
      count((index) => (refusals[index] === undefined ? 0 : statusOf(refusals[index])))
      return refusals
    } catch (error) {
      count(() => statusOf(error))
      throw error
    }
  }
}

/** Pruning counts itself, whether there was anything to prune or not. */
const pruning = /prune$/

function keysOf({ cause, mutations }: Transaction): readonly MetricKey[] {
  if (pruning.test(cause.reason)) return []
  return mutations.flatMap((mutation) => {
    const noun = nouns[mutation.kind]
    if (mutation.kind === 'ca-journal') return [keyOf(noun, 'set')]
    // What becomes of the own bundle is counted where it has names of its own.
    if (mutation.kind === 'bundle' && !cause.reason.startsWith('federated bundle')) return []
    const verb = verbOf(mutation)
    const isNodeWritten = mutation.kind === 'node' && mutation.op === 'put'
    const selectors = isNodeWritten ? [keyOf(noun, 'selectors', 'set')] : []
    return [keyOf(noun, verb), ...selectors]
  })
}

function verbOf({ op, kind, ...mutation }: Mutation): string {
  if (op === 'delete') return 'delete'
  if (mutation.expect === 'absent') return 'create'
  return kind === 'bundle' ? 'set' : 'update'
}

/** Counts what becomes of the own bundle. */
export function measuredBundle(metrics: Metrics, bundle: OwnBundle): OwnBundle {
  const keys = {
    append: keyOf('bundle', 'append'),
    update: keyOf('bundle', 'set'),
    prune: keyOf('bundle', 'prune'),
    taintX509: keyOf('bundle', 'x509', 'taint'),
    revokeX509: keyOf('bundle', 'x509', 'revoke'),
    taintJwt: keyOf('bundle', 'jwt', 'taint'),
    revokeJwt: keyOf('bundle', 'jwt', 'revoke'),
    get: keyOf('bundle', 'fetch'),
  }
  return measureMethods(bundle, keys, metrics)
}

/** Counts what requests read. SPIRE asks its database; here the registry answers, under the same names. */
export function measuredRegistry(metrics: Metrics, registry: Registry): Registry {
  if (metrics === noMetrics) return registry
  const keys = (noun: string): { find: MetricKey; list: MetricKey; count: MetricKey } => ({
    find: keyOf(noun, 'fetch'),
    list: keyOf(noun, 'list'),
    count: keyOf(noun, 'count'),
  })
  const { relationships, joinTokens, journals } = registry
  const parts: Partial<Record<PropertyKey, unknown>> = {
    entries: measureMethods(registry.entries, keys(nouns.entry), metrics),
    nodes: measureMethods(registry.nodes, keys(nouns.node), withSelectors(metrics)),
    bundles: measureMethods(registry.bundles, keys(nouns.bundle), metrics),
    relationships: measureMethods(relationships, keys(nouns['federation-relationship']), metrics),
    joinTokens: measureMethods(joinTokens, { find: keyOf('join_token', 'fetch') }, metrics),
    journals: measureMethods(journals, { find: keyOf('ca_journal', 'fetch') }, metrics),
  }
  return new Proxy(registry, {
    get(_, name) {
      if (name in parts) return parts[name]
      const value: unknown = Reflect.get(registry, name, registry)
      return typeof value === 'function' ? value.bind(registry) : value
    },
  })
}

/** Who reads a node reads its selectors: SPIRE has them in a table of their own. */
function withSelectors(metrics: Metrics): Metrics {
  const alsoFor = (key: MetricKey): MetricKey | undefined =>
    key[2] === 'fetch' ? [...key.slice(0, 2), 'selectors', ...key.slice(2)] : undefined
  return {
    ...metrics,
    count(key, value, labels) {
      metrics.count(key, value, labels)
      const other = alsoFor(key)
      if (other) metrics.count(other, value, labels)
    },
    sample(key, value, labels) {
      metrics.sample(key, value, labels)
      const other = alsoFor(key)
      if (other) metrics.sample(other, value, labels)
    },
  }
}

/** Does a pruning and counts it, as SPIRE does, as the work of its manager and as what it asks of the datastore. */
export async function measurePruning<T>(
  metrics: Metrics,
  noun: 'node' | 'registration_entry',
  work: () => Promise<T>,
): Promise<T> {
  const startedMs = performance.now()
  const count = (code: number): void => {
    const durationMs = performance.now() - startedMs
    for (const key of [keyOf(noun, 'prune'), [noun, 'manager', 'prune']])
      measureCall(metrics, { key, durationMs, code })
  }
  try {
    const result = await work()
    count(0)
    return result
  } catch (error) {
    count(statusOf(error))
    throw error
  }
}

/**
 * Counts that the registry took in changes. SPIRE reads its whole table anew every few seconds and counts that; here each
 * commit that touches what agents may have is a reload, and the start is one.
 */
export function countReload(
  metrics: Metrics,
  changes: readonly { readonly kind: RecordKind }[],
  apply: () => void,
): void {
  const startedMs = performance.now()
  apply()
  if (metrics === noMetrics) return
  if (!changes.some(({ kind }) => kind === 'entry' || kind === 'node')) return
  const durationMs = performance.now() - startedMs
  measureCall(metrics, { key: ['entry', 'cache', 'reload'], durationMs, code: 0 })
}

/** Counts the reading of everything at the start: every table is listed, and the registry filled. */
export async function countReplay(metrics: Metrics, replay: () => Promise<void>): Promise<void> {
  const startedMs = performance.now()
  await replay()
  const durationMs = performance.now() - startedMs
  const tables = ['registration_entry', 'node', 'bundle', 'federation_relationship']
  const listed = [
    ...tables.map((table) => keyOf(table, 'list')),
    keyOf('node', 'selectors', 'list'),
  ]
  for (const key of [...listed, ['entry', 'cache', 'reload']])
    measureCall(metrics, { key, durationMs, code: 0 })
}
