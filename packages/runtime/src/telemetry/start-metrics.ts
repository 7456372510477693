import { hostname } from 'node:os'
import type { TrustDomain } from '@mini-spire/sdk/spiffe-id'
import type { TelemetryConfig } from '../config/daemon-config.ts'
import type { Logger } from '../log/logger.ts'
import { refineMetrics } from './labels.ts'
import { type Metrics, noMetrics } from './metrics.ts'
import { MetricsListener } from './metrics-listener.ts'
import { createPrometheusSink } from './prometheus.ts'
import { loadPrometheusTls } from './prometheus-tls.ts'

/** Options of {@link startMetrics}. */
export interface StartMetricsOptions {
  readonly config: TelemetryConfig
  readonly trustDomain: TrustDomain
  /** First part of all names, unless the configuration has another. */
  readonly defaultPrefix: string
  readonly log: Logger
}

/** Where a daemon counts, and who serves the counts. */
export interface StartedMetrics {
  readonly metrics: Metrics
  /** Undefined when nobody scrapes. */
  readonly listener: MetricsListener | undefined
}

/**
 * Makes the configured sink and listens for scrapes. Without `Prometheus` nothing is counted.
 *
 * @throws {ConfigError} when its `tls` block cannot be honoured: it is never served in plain text instead
 */
export async function startMetrics(options: StartMetricsOptions): Promise<StartedMetrics> {
  const { config, trustDomain, log } = options
  const { prometheus } = config
  if (!prometheus) return { metrics: noMetrics, listener: undefined }
  const { host, port } = prometheus
  const tls = prometheus.tls && (await loadPrometheusTls(prometheus.tls))
  const prefix = config.metricPrefix || options.defaultPrefix
  const sink = await createPrometheusSink(prefix)
  const labels = {
    ...(config.hasHostnameLabel && { host: hostname() }),
    ...(config.hasTrustDomainLabel && { trust_domain: trustDomain.name }),
  }
  if (host !== 'localhost') log.warn(remoteWarning)
  log.info('Starting prometheus exporter', { host, port })
  const listener = new MetricsListener({ host, port, sink, ...(tls && { tls }) })
  await listener.listen()
  return { metrics: refineMetrics(sink, { labels, filters: config, prefix }), listener }
}

/** SPIRE's line, on its server too. */
const remoteWarning =
  'Agent is now configured to accept remote network connections for Prometheus stats collection. Please ensure access to this port is tightly controlled'
