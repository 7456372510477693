import type { Clock } from '@mini-spire/runtime/clock'
import type { Logger } from '@mini-spire/runtime/log/logger'
import type { Metrics } from '@mini-spire/runtime/telemetry/metrics'
import { pruneNodes } from '../attestation/prune-nodes.ts'
import type { NodePruningConfig } from '../config/resolved-config.ts'
import type { Registry } from '../registry/registry.ts'
import type { Cause, Store } from '../store/store.ts'
import { measurePruning } from './datastore-metrics.ts'
import type { PeriodicTask } from './periodic-tasks.ts'

const intervalMs = 3_600_000
const jitterMs = intervalMs / 4

/** The task that forgets agents which have been expired for long enough. */
export function nodePruningTask(options: {
  readonly config: NodePruningConfig
  readonly registry: Registry
  readonly store: Store
  readonly clock: Clock
  readonly log: Logger
  /** A number from 0 up to 1, drawn once, that spreads several servers. */
  readonly spread: number
  readonly metrics: Metrics
}): PeriodicTask {
  const { config, registry, store, clock, log, spread, metrics } = options
  const { expiredForMs, batchSize, includesNonReattestable } = config
  const actor = { class: 'server', id: 'node pruning' } as const
  const cause: Cause = { actor, requestId: '', reason: 'node prune' }
  return {
    failure: 'Error pruning expired agents',
    intervalMs: intervalMs + (2 * spread - 1) * jitterMs,
    work: async () => {
      const state = { records: registry, store }
      const expiredBeforeSeconds = Math.floor((clock.nowMs() - expiredForMs) / 1000)
      const pruned = await measurePruning(metrics, 'node', () =>
        pruneNodes({ state, cause, expiredBeforeSeconds, includesNonReattestable, batchSize }),
      )
      if (pruned.length > 0) log.info('Pruned expired agents', { count: pruned.length })
    },
  }
}
