import { hostname } from 'node:os'
import type { TrustDomain } from '@mini-spire/sdk/spiffe-id'
import type { Clock, Timer } from '../clock.ts'
import type { TelemetryConfig } from '../config/daemon-config.ts'
import type { Logger } from '../log/logger.ts'
import { systemText } from '../os-error.ts'
import { InMemoryMetrics } from './in-memory.ts'
import { refineMetrics } from './labels.ts'
import { combineMetrics, type Metrics, noMetrics } from './metrics.ts'
import { MetricsListener } from './metrics-listener.ts'
import { renderProcessMetrics } from './process-metrics.ts'
import { createPrometheusSink } from './prometheus.ts'
import { loadPrometheusTls, type MetricsIdentity } from './prometheus-tls.ts'
import { createPushSinks } from './push-sinks.ts'
import { RuntimeMetrics } from './runtime-metrics.ts'

/** Options of {@link startMetrics}. */
export interface StartMetricsOptions {
  readonly config: TelemetryConfig
  readonly trustDomain: TrustDomain
  /** `spire_server` or `spire_agent`: the first part of all names, unless the configuration has another. */
  readonly service: string
  /** What the daemon calls itself in `started`. */
  readonly version: string
  /** For a listener with `use_spire_svid` or `authorized_spiffe_ids`. */
  readonly identity: MetricsIdentity
  /** `require_pq_kem`: scrapes over TLS need a post-quantum key exchange. */
  readonly requiresPqKem: boolean
  readonly clock: Clock
  readonly log: Logger
  /** @default the process's own */
  readonly environment?: Readonly<Record<string, string | undefined>>
}

/** Where a daemon counts, and who serves the counts. */
export interface StartedMetrics extends AsyncDisposable {
  readonly metrics: Metrics
  /** Undefined when nobody scrapes. */
  readonly listener: MetricsListener | undefined
}

interface Sink {
  readonly metrics: Metrics
  readonly namesHaveKinds: boolean
  readonly close: () => Promise<void>
}

const uptimeIntervalMs = 10_000

/**
 * Makes the configured sinks, listens for scrapes and begins to tell that the daemon has started, for how long it has run and
 * how its process is. Without any sink nothing is counted.
 *
 * A port that is taken is a warning, not an end, as with SPIRE: the daemon serves identities, and metrics when it can.
 *
 * @throws {ConfigError} when a sink is configured in a way that cannot be honoured: a `tls` block never falls back to plain text
 */
export async function startMetrics(options: StartMetricsOptions): Promise<StartedMetrics> {
  const { config, trustDomain, service, clock } = options
  const prefix = config.metricPrefix || service
  const environment = options.environment ?? process.env
  const sinks: Sink[] = [...createPushSinks({ ...options, prefix, environment })]
  const closeSinks = async (): Promise<void> => {
    for (const { close } of sinks) await close()
  }
  let listener: MetricsListener | undefined
  try {
    if (config.isInMemEnabled) sinks.push(openInMemory(options, prefix))
    const scraped = await openPrometheus(options, prefix)
    listener = scraped?.listener
    if (scraped) sinks.push(scraped)
  } catch (error) {
    await closeSinks()
    throw error
  }
  if (sinks.length === 0) return { metrics: noMetrics, listener, [Symbol.asyncDispose]: closeSinks }
  const combine = (labels: Readonly<Record<string, string>>): Metrics =>
    combineMetrics(
      sinks.map(({ metrics, namesHaveKinds }) =>
        refineMetrics(metrics, {
          labels,
          host: config.hasHostnameLabel ? hostname() : undefined,
          filters: config,
          prefix,
          namesHaveKinds,
        }),
      ),
    )
  const metrics = combine(config.hasTrustDomainLabel ? { trust_domain: trustDomain.name } : {})
  // As with SPIRE, what is told of the process does not name the trust domain.
  const runtime = new RuntimeMetrics({ metrics: combine({}), clock })
  const uptime = tellUptime(metrics, options)
  const close = async (): Promise<void> => {
    uptime[Symbol.dispose]()
    runtime[Symbol.dispose]()
    await closeSinks()
  }
  return { metrics, listener, [Symbol.asyncDispose]: close }
}

/** Tells that the daemon has started, and every ten seconds for how long it has run. */
function tellUptime(
  metrics: Metrics,
  { clock, version, trustDomain }: StartMetricsOptions,
): Disposable {
  metrics.gauge(['started'], 1, { version, trust_domain_id: trustDomain.name })
  const startedMs = clock.nowMs()
  const tick = (): Timer => {
    metrics.gauge(['uptime_in_ms'], clock.nowMs() - startedMs)
    return clock.setTimer(uptimeIntervalMs, () => {
      timer = tick()
    })
  }
  let timer = tick()
  return { [Symbol.dispose]: () => timer.cancel() }
}

async function openPrometheus(
  options: StartMetricsOptions,
  prefix: string,
): Promise<(Sink & { readonly listener: MetricsListener | undefined }) | undefined> {
  const { config, identity, clock, log, requiresPqKem } = options
  if (!config.prometheus) return undefined
  const { host, port } = config.prometheus
  if (host !== 'localhost') log.warn(remoteWarning)
  log.info('Starting prometheus exporter', { host, port })
  const tls =
    config.prometheus.tls &&
    (await loadPrometheusTls({ config: config.prometheus.tls, identity, clock, requiresPqKem }))
  const sink = createPrometheusSink({ prefix, clock, more: renderProcessMetrics })
  const listener = new MetricsListener({ host, port, sink, ...(tls && { tls }) })
  const close = async (): Promise<void> => await listener[Symbol.asyncDispose]()
  try {
    await listener.listen()
  } catch (error) {
    const address = host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
    const reason = `listen tcp ${address}: bind: ${systemText(error)}`
    log.warn(`Prometheus listener stopped unexpectedly: ${reason}`)
    return { metrics: sink, namesHaveKinds: false, close, listener: undefined }
  }
  return { metrics: sink, namesHaveKinds: false, close, listener }
}

function openInMemory({ clock, log }: StartMetricsOptions, prefix: string): Sink {
  const metrics = new InMemoryMetrics({ prefix, clock })
  const dump = (): void => {
    for (const line of metrics.dump()) log.info(line)
  }
  process.on('SIGUSR1', dump)
  const close = async (): Promise<void> => void process.off('SIGUSR1', dump)
  return { metrics, namesHaveKinds: false, close }
}

/** SPIRE's line, on its server too. */
const remoteWarning =
  'Agent is now configured to accept remote network connections for Prometheus stats collection. Please ensure access to this port is tightly controlled'
