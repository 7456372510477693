import { readFile } from 'node:fs/promises'
import { hostname } from 'node:os'
import type { TlsOptions } from 'node:tls'
import { ConfigError } from '@mini-spire/runtime/config/config-error'
import type { PrometheusTlsConfig, TelemetryConfig } from '@mini-spire/runtime/config/daemon-config'
import { refineMetrics } from '@mini-spire/runtime/telemetry/labels'
import { type Metrics, noMetrics } from '@mini-spire/runtime/telemetry/metrics'
import { MetricsListener } from '@mini-spire/runtime/telemetry/metrics-listener'
import { createPrometheusSink } from '@mini-spire/runtime/telemetry/prometheus'
import type { TrustDomain } from '@mini-spire/sdk/spiffe-id'

const defaultPrefix = 'spire_agent'

/** Where the agent counts, and who serves the counts. */
export interface AgentMetrics {
  readonly metrics: Metrics
  /** Undefined when nobody scrapes. */
  readonly listener: MetricsListener | undefined
}

/** Makes the configured sink and listens for scrapes. Without `Prometheus` nothing is counted. */
export async function startMetrics(
  config: TelemetryConfig,
  trustDomain: TrustDomain,
): Promise<AgentMetrics> {
  if (!config.prometheus) return { metrics: noMetrics, listener: undefined }
  const prefix = config.metricPrefix || defaultPrefix
  const sink = await createPrometheusSink(prefix)
  const labels = {
    ...(config.hasHostnameLabel && { host: hostname() }),
    ...(config.hasTrustDomainLabel && { trust_domain: trustDomain.name }),
  }
  const { host, port, tls } = config.prometheus
  const listener = new MetricsListener({
    host,
    port,
    sink,
    ...(tls && { tls: await tlsFrom(tls) }),
  })
  await listener.listen()
  return { metrics: refineMetrics(sink, { labels, filters: config, prefix }), listener }
}

async function tlsFrom(config: PrometheusTlsConfig): Promise<TlsOptions> {
  const { certFile, keyFile, clientCaFile, useSpireSvid, authorizedSpiffeIds } = config
  if (useSpireSvid || authorizedSpiffeIds.length > 0) {
    throw new ConfigError(
      'ERR_CONFIG_UNSUPPORTED',
      'telemetry Prometheus tls by SPIFFE IDs is not supported by mini-spire yet',
    )
  }
  const [cert, key] = await Promise.all([readFile(certFile), readFile(keyFile)])
  if (clientCaFile === '') return { cert, key, minVersion: 'TLSv1.2' }
  return { cert, key, ca: await readFile(clientCaFile), requestCert: true, minVersion: 'TLSv1.2' }
}
