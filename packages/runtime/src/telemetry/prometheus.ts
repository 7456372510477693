import type { Clock } from '../clock.ts'
import type { MetricKey, MetricLabels, Metrics } from './metrics.ts'
import { QuantileWindow } from './quantile-window.ts'

/** A sink that keeps what Prometheus scrapes. */
export interface PrometheusSink extends Metrics {
  readonly contentType: string
  /** The text of a scrape. */
  render(): string
}

/** Options of {@link createPrometheusSink}. */
export interface PrometheusSinkOptions {
  /** First part of all names: `spire_server`. */
  readonly prefix: string
  readonly clock: Pick<Clock, 'nowMs'>
  /** More lines of a scrape, each with its line feed. @default none */
  readonly more?: () => string
}

/** Series beyond this are not kept: labels come from few places, and none of them from a caller. */
const maxSeries = 20_000
/** As SPIRE's summaries: what is older than ten seconds is in their sum and count only. */
const summaryWindowMs = 10_000
const quantiles = [0.5, 0.9, 0.99]

type FamilyType = 'counter' | 'gauge' | 'summary'

interface Series {
  /** `a="1",b="2"` */
  readonly labels: string
  /** The gauge's or counter's value, or the sum of the summary. */
  value: number
  count: number
  readonly window: QuantileWindow | undefined
}

interface Family {
  readonly type: FamilyType
  readonly series: Map<string, Series>
}

/**
 * Makes a sink. Series of one name may have different labels; a name that is used for two types keeps its first. A series lives
 * as long as the daemon: a counter that vanished and came back would look like a restart.
 */
export function createPrometheusSink(options: PrometheusSinkOptions): PrometheusSink {
  const { prefix, clock, more = () => '' } = options
  const families = new Map<string, Family>()
  let seriesCount = 0

  const seriesOf = (type: FamilyType, key: MetricKey, labels: MetricLabels): Series | undefined => {
    const name = prometheusName([prefix, ...key])
    let family = families.get(name)
    if (!family) {
      family = { type, series: new Map() }
      families.set(name, family)
    }
    const id = labelText(labels)
    const known = family.series.get(id)
    if (known || family.type !== type || seriesCount >= maxSeries) {
      return family.type === type ? known : undefined
    }
    const window = type === 'summary' ? new QuantileWindow(summaryWindowMs) : undefined
    const series: Series = { labels: id, value: 0, count: 0, window }
    family.series.set(id, series)
    seriesCount++
    return series
  }

  return {
    contentType: 'text/plain; version=0.0.4; charset=utf-8',
    render: () => renderFamilies(families, clock.nowMs()) + more(),
    count(key, value = 1, labels = {}) {
      const series = seriesOf('counter', key, labels)
      if (series && value > 0) series.value += value
    },
    gauge(key, value, labels = {}) {
      const series = seriesOf('gauge', key, labels)
      if (series) series.value = value
    },
    sample(key, value, labels = {}) {
      const series = seriesOf('summary', key, labels)
      if (!series) return
      series.value += value
      series.count++
      series.window?.observe(value, clock.nowMs())
    },
  }
}

function renderFamilies(families: ReadonlyMap<string, Family>, nowMs: number): string {
  let text = ''
  for (const [name, { type, series }] of [...families].sort(([a], [b]) => (a < b ? -1 : 1))) {
    text += `# HELP ${name} ${name}\n# TYPE ${name} ${type}\n`
    const sorted = [...series.values()].sort((a, b) => (a.labels < b.labels ? -1 : 1))
    for (const one of sorted) text += renderSeries(name, one, nowMs)
  }
  return text
}

function renderSeries(
  name: string,
  { labels, value, count, window }: Series,
  nowMs: number,
): string {
  const line = (suffix: string, all: string, of: number): string =>
    `${name}${suffix}${all === '' ? '' : `{${all}}`} ${numberText(of)}\n`
  if (!window) return line('', labels, value)
  const found = window.quantiles(quantiles, nowMs)
  const lines = quantiles.map((share, index) => {
    const own = `quantile="${share}"`
    return line('', labels === '' ? own : `${labels},${own}`, found[index] ?? Number.NaN)
  })
  return lines.join('') + line('_sum', labels, value) + line('_count', labels, count)
}

function numberText(value: number): string {
  if (value === Number.POSITIVE_INFINITY) return '+Inf'
  return value === Number.NEGATIVE_INFINITY ? '-Inf' : String(value)
}

function labelText(labels: MetricLabels): string {
  const names = Object.keys(labels)
  if (names.length > 1) names.sort()
  let text = ''
  for (const name of names) text += `${text && ','}${name}="${escapeValue(labels[name] ?? '')}"`
  return text
}

function escapeValue(value: string): string {
  if (!/[\\"\n]/.test(value)) return value
  return value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n')
}

function prometheusName(parts: readonly string[]): string {
  return parts.join('_').replaceAll(/[^a-zA-Z0-9_]/g, '_')
}
