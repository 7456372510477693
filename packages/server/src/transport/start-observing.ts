import type { Clock } from '@mini-spire/runtime/clock'
import type { Logger } from '@mini-spire/runtime/log/logger'
import { startProfiling } from '@mini-spire/runtime/profiling/start-profiling'
import type { Metrics } from '@mini-spire/runtime/telemetry/metrics'
import type { MetricsIdentity } from '@mini-spire/runtime/telemetry/prometheus-tls'
import { startMetrics } from '@mini-spire/runtime/telemetry/start-metrics'
import type { ResolvedServerConfig } from '../config/resolved-config.ts'

/** Options of {@link startObserving}. */
export interface StartObservingOptions {
  readonly config: ResolvedServerConfig
  readonly version: string
  /** For a metrics listener that serves with the server's own SVID. */
  readonly identity: MetricsIdentity
  readonly clock: Clock
  readonly log: Logger
  /** Takes what stops each part, once it has started. */
  readonly defer: (close: () => Promise<unknown>) => void
}

/** Starts what looks at the server, before there is anything to see: profiles, then metrics. */
export async function startObserving(options: StartObservingOptions): Promise<Metrics> {
  const { config, version, identity, clock, log, defer } = options
  const profiling = await startProfiling({ config: config.profiling, tag: 'server', clock, log })
  defer(async () => await profiling[Symbol.asyncDispose]())
  const started = await startMetrics({
    config: config.telemetry,
    trustDomain: config.trustDomain,
    service: 'spire_server',
    version,
    identity,
    requiresPqKem: config.experimental.requiresPqKem,
    clock,
    log: log.with({ subsystem_name: 'telemetry' }),
  })
  defer(async () => await started[Symbol.asyncDispose]())
  return started.metrics
}
