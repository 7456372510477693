import type { Clock, Timer } from '../clock.ts'
import { isTimer } from './labels.ts'
import { encodeM3Batch, type M3Metric, m3MetricSize } from './m3-wire.ts'
import type { MetricKey, MetricLabels, Metrics } from './metrics.ts'

const reportIntervalMs = 1_000
const maxDatagramBytes = 32_768
/** What a batch takes beside its metrics and common tags, generously. */
const batchOverheadBytes = 64
/** Series beyond this are not kept. */
const maxSeries = 20_000

/** Upper bounds of durations, in milliseconds, and of other values: SPIRE's. */
const durationBounds = [
  0, 10, 25, 50, 75, 100, 200, 300, 400, 500, 600, 800, 1_000, 2_000, 5_000, 10_000, 15_000, 20_000,
  25_000, 30_000,
]
const valueBounds = [0, 1, 10, 100, 1_000, 10_000]

interface Series {
  readonly name: string
  readonly type: 'counter' | 'gauge'
  readonly tags: MetricLabels
  value: number
  hasChanged: boolean
}

/** Options of {@link M3Metrics}. */
export interface M3MetricsOptions {
  /** `spire_server`: a tag, not a part of the names. */
  readonly service: string
  readonly env: string
  readonly clock: Clock
  /** Sends a datagram. */
  readonly send: (datagram: Uint8Array) => void
}

/** Reports what has changed to an M3 collector, once a second: counters and buckets as differences, gauges as they are. */
export class M3Metrics implements Metrics, Disposable {
  readonly #options: M3MetricsOptions
  readonly #commonTags: MetricLabels
  readonly #series = new Map<string, Series>()
  #sequence = 0
  #timer: Timer

  constructor(options: M3MetricsOptions) {
    this.#options = options
    this.#commonTags = { service: options.service, env: options.env }
    this.#timer = this.#schedule()
  }

  count(key: MetricKey, value = 1, labels: MetricLabels = {}): void {
    this.#add(key.join('_'), value, labels)
  }

  gauge(key: MetricKey, value: number, labels: MetricLabels = {}): void {
    const series = this.#find('gauge', key.join('_'), labels)
    if (!series) return
    series.value = value
    series.hasChanged = true
  }

  sample(key: MetricKey, value: number, labels: MetricLabels = {}): void {
    const isDuration = isTimer(key)
    const bounds = isDuration ? durationBounds : valueBounds
    // SPIRE drops what is less than a millisecond before it looks for the bucket.
    const exact = isDuration ? Math.trunc(value) : value
    const index = bounds.findIndex((bound) => bound >= exact)
    const bucket = index === -1 ? bounds.length : index
    const print = isDuration ? printDuration : printValue
    this.#add(key.join('_'), 1, {
      ...labels,
      bucketid: String(bucket).padStart(4, '0'),
      bucket: `${print(bounds[bucket - 1], '-')}-${print(bounds[bucket], '')}`,
    })
  }

  /** Reports once more, and then never again. */
  [Symbol.dispose](): void {
    this.#timer.cancel()
    this.#report()
  }

  #schedule(): Timer {
    return this.#options.clock.setTimer(reportIntervalMs, () => {
      this.#report()
      this.#timer = this.#schedule()
    })
  }

  #add(name: string, value: number, tags: MetricLabels): void {
    const series = this.#find('counter', name, tags)
    if (!series) return
    series.value += value
    series.hasChanged = true
  }

  #find(type: Series['type'], name: string, tags: MetricLabels): Series | undefined {
    const id = `${type} ${name} ${JSON.stringify(tags)}`
    const known = this.#series.get(id)
    if (known || this.#series.size >= maxSeries) return known
    const series: Series = { name, type, tags, value: 0, hasChanged: false }
    this.#series.set(id, series)
    return series
  }

  #report(): void {
    let batch: M3Metric[] = []
    let bytes = 0
    const free = maxDatagramBytes - batchOverheadBytes - JSON.stringify(this.#commonTags).length
    for (const series of this.#series.values()) {
      if (!series.hasChanged) continue
      const metric = { ...series }
      series.hasChanged = false
      if (series.type === 'counter') series.value = 0
      const size = m3MetricSize(metric)
      if (bytes + size > free) {
        this.#send(batch)
        batch = []
        bytes = 0
      }
      batch.push(metric)
      bytes += size
    }
    this.#send(batch)
  }

  #send(metrics: readonly M3Metric[]): void {
    if (metrics.length === 0) return
    const { clock, send } = this.#options
    const timeNs = BigInt(Math.round(clock.nowMs())) * 1_000_000n
    const commonTags = this.#commonTags
    send(encodeM3Batch({ sequence: ++this.#sequence, timeNs, metrics, commonTags }))
  }
}

function printDuration(ms: number | undefined, sign: string): string {
  if (ms === undefined) return `${sign}infinity`
  if (ms === 0) return '0'
  return ms < 1_000 ? `${ms}ms` : `${ms / 1_000}s`
}

function printValue(value: number | undefined, sign: string): string {
  return value === undefined ? `${sign}infinity` : value.toFixed(6)
}
