import { PerformanceObserver } from 'node:perf_hooks'
import type { Clock, Timer } from '../clock.ts'
import type { Metrics } from './metrics.ts'

const intervalMs = 1_000
/** V8 does not count its objects: what one takes on the average, so that the figure moves as the heap does. */
const bytesPerObject = 64

/**
 * Tells every second how the process itself is, under the names that SPIRE has from Go's runtime. What each means here, and
 * which two have no counterpart, stands in decision 1401.
 */
export class RuntimeMetrics implements Disposable {
  readonly #metrics: Metrics
  readonly #clock: Clock
  readonly #observer: PerformanceObserver
  #timer: Timer
  #pauseNs = 0
  #runs = 0

  constructor(options: { readonly metrics: Metrics; readonly clock: Clock }) {
    this.#metrics = options.metrics
    this.#clock = options.clock
    this.#observer = new PerformanceObserver((list) => {
      for (const { duration } of list.getEntries()) this.#paused(duration * 1e6)
    })
    this.#observer.observe({ entryTypes: ['gc'] })
    this.#timer = this.#schedule()
  }

  [Symbol.dispose](): void {
    this.#timer.cancel()
    this.#observer.disconnect()
  }

  #schedule(): Timer {
    return this.#clock.setTimer(intervalMs, () => {
      this.#emit()
      this.#timer = this.#schedule()
    })
  }

  #paused(nanoseconds: number): void {
    this.#runs++
    this.#pauseNs += nanoseconds
    this.#metrics.sample(['runtime', 'gc_pause_ns'], Math.round(nanoseconds))
  }

  #emit(): void {
    const { heapUsed, external, rss } = process.memoryUsage()
    const gauge = (name: string, value: number): void =>
      this.#metrics.gauge(['runtime', name], Math.round(value))
    gauge('num_goroutines', process.getActiveResourcesInfo().length)
    gauge('alloc_bytes', heapUsed + external)
    gauge('sys_bytes', rss)
    gauge('heap_objects', heapUsed / bytesPerObject)
    gauge('total_gc_pause_ns', this.#pauseNs)
    gauge('total_gc_runs', this.#runs)
  }
}
