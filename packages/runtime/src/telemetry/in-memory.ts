import type { Clock } from '../clock.ts'
import type { MetricKey, MetricLabels, Metrics } from './metrics.ts'

const intervalMs = 1_000
/** As SPIRE's: one hour. */
const maxIntervals = 3_600

interface Aggregate {
  count: number
  sum: number
  sumOfSquares: number
  min: number
  max: number
  updatedMs: number
}

/** What was observed within one second, each series by its name in the dump. */
interface Interval {
  readonly startMs: number
  readonly gauges: Map<string, number>
  readonly counters: Map<string, Aggregate>
  readonly samples: Map<string, Aggregate>
}

/** Keeps the metrics of the last hour, second by second, to be dumped into the log. */
export class InMemoryMetrics implements Metrics {
  readonly #prefix: string
  readonly #clock: Pick<Clock, 'nowMs'>
  readonly #intervals: Interval[] = []

  constructor(options: { readonly prefix: string; readonly clock: Pick<Clock, 'nowMs'> }) {
    this.#prefix = options.prefix
    this.#clock = options.clock
  }

  count(key: MetricKey, value = 1, labels: MetricLabels = {}): void {
    this.#ingest(this.#current().counters, key, value, labels)
  }

  gauge(key: MetricKey, value: number, labels: MetricLabels = {}): void {
    this.#current().gauges.set(this.#nameOf(key, labels), value)
  }

  sample(key: MetricKey, value: number, labels: MetricLabels = {}): void {
    this.#ingest(this.#current().samples, key, value, labels)
  }

  /** One line for each series and second, in SPIRE's form; the second that is not over yet is left out. */
  dump(): readonly string[] {
    this.#current()
    return this.#intervals.slice(0, -1).flatMap(linesOf)
  }

  #ingest(into: Map<string, Aggregate>, key: MetricKey, value: number, labels: MetricLabels): void {
    const name = this.#nameOf(key, labels)
    const updatedMs = this.#clock.nowMs()
    const known = into.get(name)
    if (!known) {
      const first = { count: 1, sum: value, sumOfSquares: value * value }
      into.set(name, { ...first, min: value, max: value, updatedMs })
      return
    }
    known.count++
    known.sum += value
    known.sumOfSquares += value * value
    known.min = Math.min(known.min, value)
    known.max = Math.max(known.max, value)
    known.updatedMs = updatedMs
  }

  #current(): Interval {
    const startMs = Math.floor(this.#clock.nowMs() / intervalMs) * intervalMs
    const last = this.#intervals.at(-1)
    if (last?.startMs === startMs) return last
    const next = { startMs, gauges: new Map(), counters: new Map(), samples: new Map() }
    this.#intervals.push(next)
    if (this.#intervals.length > maxIntervals) this.#intervals.shift()
    return next
  }

  #nameOf(key: MetricKey, labels: MetricLabels): string {
    const name = [this.#prefix, ...key].join('.')
    const values = Object.values(labels).map((value) => value.replaceAll(/[ :]/g, '_'))
    return [name.replaceAll(' ', '_'), ...values].join('.')
  }
}

function linesOf({ startMs, gauges, counters, samples }: Interval): readonly string[] {
  const line = (kind: string, name: string, text: string): string =>
    `[${goTime(startMs)}][${kind}] '${name}': ${text}`
  return [
    ...[...gauges].map(([name, value]) => line('G', name, value.toFixed(3))),
    ...[...counters].map(([name, aggregate]) => line('C', name, describe(aggregate))),
    ...[...samples].map(([name, aggregate]) => line('S', name, describe(aggregate))),
  ]
}

function describe(aggregate: Aggregate): string {
  const { count, sum, min, max, updatedMs } = aggregate
  const updated = `LastUpdated: ${goTime(updatedMs)}`
  const deviation = standardDeviation(aggregate)
  if (deviation === 0) return `Count: ${count} Sum: ${sum.toFixed(3)} ${updated}`
  const figures = [
    ['Min', min],
    ['Mean', sum / count],
    ['Max', max],
    ['Stddev', deviation],
    ['Sum', sum],
  ] as const
  const text = figures.map(([name, value]) => `${name}: ${value.toFixed(3)}`).join(' ')
  return `Count: ${count} ${text} ${updated}`
}

function standardDeviation({ count, sum, sumOfSquares }: Aggregate): number {
  if (count < 2) return 0
  const squared = (count * sumOfSquares - sum * sum) / (count * (count - 1))
  return squared > 0 ? Math.sqrt(squared) : 0
}

/** An instant as Go prints it, in UTC. */
function goTime(ms: number): string {
  const [date, time = ''] = new Date(ms).toISOString().split('T')
  return `${date} ${time.replace(/\.?0*Z$/, '')} +0000 UTC`
}
