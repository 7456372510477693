import type { Clock } from '@mini-spire/runtime/clock'
import { formatGoDuration } from '@mini-spire/runtime/config/go-duration'
import type { Logger } from '@mini-spire/runtime/log/logger'
import type { Metrics } from '@mini-spire/runtime/telemetry/metrics'
import { logAliasesGone } from '../attestation/evict-agent.ts'
import { pruneNodes } from '../attestation/prune-nodes.ts'
import type { NodePruningConfig } from '../config/resolved-config.ts'
import type { Registry } from '../registry/registry.ts'
import type { Cause, Store } from '../store/store.ts'
import { measurePruning } from './datastore-metrics.ts'
import type { PeriodicTask } from './periodic-tasks.ts'

const intervalMs = 3_600_000
const jitterMs = intervalMs / 4

/**
 * The task that forgets agents which have been expired for long enough. It says that it begins: whoever wonders where agents
 * went finds it.
 */
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
  const { config, registry, store, clock, spread, metrics } = options
  const { expiredForMs, batchSize, includesNonReattestable } = config
  const intervalSeconds = Math.trunc((intervalMs + (2 * spread - 1) * jitterMs) / 1000)
  const log = options.log.with({ subsystem_name: 'node_manager' })
  log.info('Periodic prune of expired nodes started', {
    retry_interval: formatGoDuration(BigInt(intervalSeconds) * 1_000_000_000n),
    expired_for: formatGoDuration(BigInt(expiredForMs) * 1_000_000n),
    include_tofu: includesNonReattestable,
  })
  const actor = { class: 'server', id: 'node pruning' } as const
  const cause: Cause = { actor, requestId: '', reason: 'node prune' }
  return {
    failure: 'Failed during periodic pruning of expired nodes',
    intervalMs: intervalSeconds * 1000,
    work: async () => {
      const state = { records: registry, store }
      const expiredBeforeSeconds = (clock.nowMs() - expiredForMs) / 1000
      const { spiffeIds, aliases } = await measurePruning(metrics, 'node', () =>
        pruneNodes({ state, cause, expiredBeforeSeconds, includesNonReattestable, batchSize }),
      )
      logAliasesGone(log, aliases)
      log.info('Pruned expired agents', { count: spiffeIds.length })
    },
  }
}
