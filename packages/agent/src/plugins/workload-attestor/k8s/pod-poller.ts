import { type Clock, sleep } from '@mini-spire/runtime/clock'
import type { Pod } from './pod.ts'

/** A pod list, and which of the lists that were read it is. */
export interface PodList {
  readonly pods: ReadonlyMap<string, Pod>
  readonly version: number
}

/** Options of {@link PodPoller}. */
export interface PodPollerOptions {
  readonly fetchPods: () => Promise<ReadonlyMap<string, Pod>>
  /** The least time between the starts of two requests; a list is as long fresh. */
  readonly intervalMs: number
  readonly clock: Clock
}

/**
 * Shares the kubelet's pod list: however many workloads ask, there is one request at a time, and one per interval.
 *
 * Who did not find its pod asks for a newer list than the one it has seen.
 */
export class PodPoller {
  readonly #options: PodPollerOptions
  readonly #closing = new AbortController()
  #latest: PodList | undefined
  /** When the request that brought {@link #latest}, and the last request of all, began. */
  #latestStartedMs = 0
  #startedMs: number | undefined
  #next: Promise<PodList> | undefined

  constructor(options: PodPollerOptions) {
    this.#options = options
  }

  /**
   * A list newer than a version: the known one while it is fresh, or the next.
   *
   * @throws {Error} why the kubelet gave none; those who waited for one request fail together
   */
  fetchNewer(version: number): Promise<PodList> {
    const { clock, intervalMs } = this.#options
    const latest = this.#latest
    if (latest && latest.version > version && clock.nowMs() < this.#latestStartedMs + intervalMs) {
      return Promise.resolve(latest)
    }
    this.#next ??= this.#fetch().finally(() => {
      this.#next = undefined
    })
    return this.#next
  }

  /** Ends waiting; later calls fail. */
  close(): void {
    this.#closing.abort()
  }

  async #fetch(): Promise<PodList> {
    const { clock, intervalMs, fetchPods } = this.#options
    const waitMs = this.#startedMs === undefined ? 0 : this.#startedMs + intervalMs - clock.nowMs()
    if (waitMs > 0) await sleep(clock, waitMs, this.#closing.signal)
    if (this.#closing.signal.aborted) throw new Error('pod list fetcher is closed')
    const startedMs = clock.nowMs()
    this.#startedMs = startedMs
    const pods = await fetchPods()
    this.#latest = { pods, version: (this.#latest?.version ?? 0) + 1 }
    this.#latestStartedMs = startedMs
    return this.#latest
  }
}
