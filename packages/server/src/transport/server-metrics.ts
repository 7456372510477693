import { hostname } from 'node:os'
import type { Clock } from '@mini-spire/runtime/clock'
import type { TelemetryConfig } from '@mini-spire/runtime/config/daemon-config'
import type { KeyManager } from '@mini-spire/runtime/key-manager/key-manager'
import {
  type KeyManagerObserver,
  MeasuredKeyManager,
} from '@mini-spire/runtime/key-manager/measured-key-manager'
import { refineMetrics } from '@mini-spire/runtime/telemetry/labels'
import { type Metrics, measureCall, noMetrics } from '@mini-spire/runtime/telemetry/metrics'
import { MetricsListener } from '@mini-spire/runtime/telemetry/metrics-listener'
import { createPrometheusSink } from '@mini-spire/runtime/telemetry/prometheus'
import { isSpiffeError } from '@mini-spire/sdk/errors'
import { GrpcStatus, grpcStatusFromKind } from '@mini-spire/sdk/grpc-status'
import type { TrustDomain } from '@mini-spire/sdk/spiffe-id'
import type { CaMetrics } from '../ca/ca-metrics.ts'
import type { PruningOutcome } from '../ca/maintenance.ts'

const defaultPrefix = 'spire_server'

/** Options of {@link startMetrics}. */
export interface ServerMetricsOptions {
  readonly config: TelemetryConfig
  readonly trustDomain: TrustDomain
}

/** Where the server counts, and who serves the counts. */
export interface ServerMetrics {
  readonly metrics: Metrics
  /** Undefined when nobody scrapes. */
  readonly listener: MetricsListener | undefined
}

/** Makes the configured sink and listens for scrapes. Without `Prometheus` nothing is counted. */
export async function startMetrics(options: ServerMetricsOptions): Promise<ServerMetrics> {
  const { config, trustDomain } = options
  const { prometheus } = config
  if (!prometheus) return { metrics: noMetrics, listener: undefined }
  const prefix = config.metricPrefix || defaultPrefix
  const sink = await createPrometheusSink(prefix)
  const labels = {
    ...(config.hasHostnameLabel && { host: hostname() }),
    ...(config.hasTrustDomainLabel && { trust_domain: trustDomain.name }),
  }
  const metrics = refineMetrics(sink, { labels, filters: config, prefix })
  const { host, port } = prometheus
  const listener = new MetricsListener({ host, port, sink })
  await listener.listen()
  return { metrics, listener }
}

/** Counts what becomes of the server's authorities under SPIRE's names. */
export function caMetrics(metrics: Metrics, trustDomain: TrustDomain, clock: Clock): CaMetrics {
  const labels = { trust_domain_id: trustDomain.name }
  return {
    prepared: (kind, { durationMs, error }) => {
      const key = ['ca', 'manager', kind, 'prepare']
      measureCall(metrics, { key, durationMs, code: codeOf(error) })
    },
    activated: (kind, { notAfterSeconds }) => {
      if (kind === 'jwt_key') {
        metrics.count(['manager', 'jwt_key', 'activate'])
        return
      }
      metrics.count(['ca', 'manager', 'x509_ca', 'activate'])
      const rotate = ['manager', 'x509_ca', 'rotate']
      metrics.gauge([...rotate, 'expiration'], notAfterSeconds, labels)
      metrics.gauge([...rotate, 'ttl'], notAfterSeconds - clock.nowMs() / 1000, labels)
    },
  }
}

/** Counts the calls of the key manager; when nobody scrapes, it is used as it is. */
export function measuredKeys(metrics: Metrics, keys: KeyManager, clock: Clock): KeyManager {
  if (metrics === noMetrics) return keys
  const observe: KeyManagerObserver = (call, { durationMs, error }) =>
    measureCall(metrics, { key: ['server_key_manager', call], durationMs, code: codeOf(error) })
  return new MeasuredKeyManager({ keys, clock, observe })
}

/** Counts a run of the pruning of the own bundle or the journals; SPIRE has one name for both. */
export function countPruning(
  metrics: Metrics,
  { durationMs, isChanged, error }: PruningOutcome,
): void {
  measureCall(metrics, {
    key: ['ca', 'manager', 'bundle', 'prune'],
    durationMs,
    code: codeOf(error),
  })
  if (isChanged) metrics.count(['ca', 'manager', 'bundle', 'pruned'])
}

/** The status that metrics give a failure; `OK` for none. */
export function codeOf(error: unknown): number {
  if (error === undefined) return GrpcStatus.OK
  return isSpiffeError(error) ? grpcStatusFromKind(error.kind) : GrpcStatus.Unknown
}
