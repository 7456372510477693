import { type Metrics, measureCall, statusOf } from '@mini-spire/runtime/telemetry/metrics'
import type { RelationshipHealth } from './relationship-health.ts'

/** Counts what the fetching of bundles comes to: SPIRE's two names, and how each relationship stands. */
export class FederationMetrics {
  readonly #metrics: Metrics

  constructor(metrics: Metrics) {
    this.#metrics = metrics
  }

  /** One attempt. */
  fetched(
    trustDomain: string,
    { durationMs, error }: { readonly durationMs: number; readonly error: unknown },
  ): void {
    measureCall(this.#metrics, {
      key: ['bundle_manager', 'fetch', 'federated_bundle'],
      durationMs,
      code: error === undefined ? 0 : statusOf(error),
      labels: { trust_domain_id: trustDomain },
    })
  }

  /** A new bundle was stored. */
  updated(trustDomain: string): void {
    const labels = { trust_domain_id: trustDomain }
    this.#metrics.count(['bundle_manager', 'update', 'federated_bundle'], 1, labels)
  }

  /** How a relationship stands after an attempt: the Unix time of the last success (0: none), and the failures since. */
  health(trustDomain: string, { lastSuccess, failures }: RelationshipHealth): void {
    const labels = { trust_domain_id: trustDomain }
    const key = ['bundle_manager', 'federated_bundle']
    this.#metrics.gauge([...key, 'last_success'], (lastSuccess?.getTime() ?? 0) / 1000, labels)
    this.#metrics.gauge([...key, 'failures'], failures, labels)
  }
}
