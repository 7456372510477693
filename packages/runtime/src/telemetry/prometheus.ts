import type { MetricKey, MetricLabels, Metrics } from './metrics.ts'

/** A sink that keeps what Prometheus scrapes. */
export interface PrometheusSink extends Metrics {
  readonly contentType: string
  /** The text of a scrape. */
  render(): Promise<string>
}

/** Series beyond this are not kept: labels come from few places, and none of them from a caller. */
const maxSeries = 20_000

/** Makes a sink whose names start with `prefix` (`spire_server`). Loads the client library on first use. */
export async function createPrometheusSink(prefix: string): Promise<PrometheusSink> {
  // Its default export: bundled, a CommonJS module has no other.
  const { default: client } = await import('prom-client')
  const { Counter, Gauge, Registry, Summary } = client
  const registry = new Registry()
  const families = new Map<string, ReturnType<typeof createFamily>>()
  const seen = new Set<string>()

  function createFamily(kind: 'count' | 'gauge' | 'sample', name: string, labelNames: string[]) {
    const settings = { name, help: name, labelNames, registers: [registry] }
    if (kind === 'count') return { kind, metric: new Counter(settings) } as const
    if (kind === 'gauge') return { kind, metric: new Gauge(settings) } as const
    const percentiles = [0.5, 0.9, 0.99]
    const window = { maxAgeSeconds: 60, ageBuckets: 2, pruneAgedBuckets: true }
    return { kind, metric: new Summary({ ...settings, ...window, percentiles }) } as const
  }

  /** The family of a name; one used with other label names than at first is not counted, as Prometheus has no place for it. */
  function observe(
    kind: 'count' | 'gauge' | 'sample',
    key: MetricKey,
    value: number,
    labels: MetricLabels = {},
  ): void {
    const name = prometheusName([prefix, ...key])
    const names = Object.keys(labels).sort()
    const id = `${kind} ${name} ${names.join(',')}`
    const series = `${id} ${JSON.stringify(labels)}`
    if (!seen.has(series)) {
      if (seen.size >= maxSeries) return
      seen.add(series)
    }
    let family = families.get(id)
    if (!family) {
      if (registry.getSingleMetric(name)) return
      family = createFamily(kind, name, names)
      families.set(id, family)
    }
    if (family.kind === 'count') family.metric.inc(labels, value)
    else if (family.kind === 'gauge') family.metric.set(labels, value)
    else family.metric.observe(labels, value)
  }

  return {
    contentType: registry.contentType,
    render: () => registry.metrics(),
    count: (key, value = 1, labels) => observe('count', key, value, labels),
    gauge: (key, value, labels) => observe('gauge', key, value, labels),
    sample: (key, value, labels) => observe('sample', key, value, labels),
  }
}

function prometheusName(parts: readonly string[]): string {
  return parts.join('_').replaceAll(/[^a-zA-Z0-9_]/g, '_')
}
