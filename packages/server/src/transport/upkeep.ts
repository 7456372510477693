import type { Clock } from '@mini-spire/runtime/clock'
import type { Logger } from '@mini-spire/runtime/log/logger'
import type { Metrics } from '@mini-spire/runtime/telemetry/metrics'
import type { OwnBundle } from '../bundle/own-bundle.ts'
import { runCaMaintenance } from '../ca/maintenance.ts'
import type { NodePruningConfig } from '../config/resolved-config.ts'
import { pruneUsedTokens } from '../exchange/used-tokens.ts'
import { pruneEntriesPeriodically } from '../registration/prune-entries.ts'
import type { RegistrationState } from '../registration/registration-state.ts'
import type { Registry } from '../registry/registry.ts'
import type { Cause, Store } from '../store/store.ts'
import { measurePruning } from './datastore-metrics.ts'
import { nodePruningTask } from './node-pruning.ts'
import { type PeriodicTask, runPeriodically } from './periodic-tasks.ts'
import { countPruning } from './server-metrics.ts'

/** Options of {@link runUpkeep}. */
export interface UpkeepOptions {
  /** Undefined: attested nodes are kept for ever. */
  readonly nodePruning: NodePruningConfig | undefined
  readonly registry: Registry
  readonly registration: RegistrationState
  readonly bundle: OwnBundle
  readonly store: Store
  /** A number from 0 up to 1, drawn once, that spreads several servers. */
  readonly spread: number
  readonly metrics: Metrics
  readonly clock: Clock
  readonly log: Logger
  readonly signal: AbortSignal
}

/** Forgets what has expired until the signal aborts: entries, authorities and journals, exchanged tokens, and, where it is asked for, nodes. */
export function runUpkeep(options: UpkeepOptions): readonly Promise<void>[] {
  const { registration, registry, metrics, log, signal, nodePruning } = options
  const tasks = [
    pruneEntriesPeriodically(registration, log, signal, (work) =>
      measurePruning(metrics, 'registration_entry', work),
    ),
    runCaMaintenance({
      ...options,
      journals: registry.journals,
      onPruned: (outcome) => countPruning(metrics, outcome),
    }),
    runPeriodically(usedTokenPruning(options), options),
  ]
  if (!nodePruning) return tasks
  const nodes = nodePruningTask({ ...options, config: nodePruning })
  return [...tasks, runPeriodically(nodes, options)]
}

/** Tokens may have been exchanged by an earlier configuration: they are forgotten in time whether any are now or not. */
function usedTokenPruning({
  registry,
  store,
  clock,
}: Pick<UpkeepOptions, 'registry' | 'store' | 'clock'>): PeriodicTask {
  const actor = { class: 'server', id: 'token exchange' } as const
  const cause: Cause = { actor, requestId: '', reason: 'used token prune' }
  return {
    failure: 'Error pruning exchanged tokens',
    intervalMs: 60_000,
    work: () => pruneUsedTokens({ registry, store }, { nowSeconds: clock.nowMs() / 1000, cause }),
  }
}
