import type { Clock } from '@mini-spire/runtime/clock'
import { ApiError } from '@mini-spire/runtime/grpc/api-error'
import type { SelectorSet } from '../../model/selector-set.ts'
import { messages } from './messages.ts'

/** How many buckets there are before the older half is forgotten. */
const maxBuckets = 4096

interface Bucket {
  tokens: number
  filledMs: number
}

/** A token bucket for each method and each kind of workload (the full selector set), filled with `perSecond` a second. */
export class WorkloadRateLimit {
  readonly #perSecond: ReadonlyMap<string, number>
  readonly #clock: Clock
  readonly #onExceeded: (method: string) => void
  #young = new Map<string, Bucket>()
  #old = new Map<string, Bucket>()

  /** @param options.perSecond by full method name; 0 or none: no limit */
  constructor(options: {
    readonly perSecond: ReadonlyMap<string, number>
    readonly clock: Clock
    /** Told of each call that is refused. */
    readonly onExceeded?: (method: string) => void
  }) {
    this.#perSecond = options.perSecond
    this.#clock = options.clock
    this.#onExceeded = options.onExceeded ?? (() => {})
  }

  /** @throws {ApiError} unavailable, when the bucket is empty */
  take(method: string, set: SelectorSet): void {
    const rate = this.#perSecond.get(method) ?? 0
    if (rate <= 0) return
    const bucket = this.#bucket(`${method}\u0000${set.key}`, rate)
    const nowMs = this.#clock.nowMs()
    const passedMs = Math.max(0, nowMs - bucket.filledMs)
    bucket.tokens = Math.min(rate, bucket.tokens + (passedMs * rate) / 1000)
    bucket.filledMs = nowMs
    if (bucket.tokens < 1) {
      this.#onExceeded(method)
      throw new ApiError('unavailable', messages.rateLimited(method))
    }
    bucket.tokens--
  }

  #bucket(key: string, rate: number): Bucket {
    const young = this.#young.get(key)
    if (young) return young
    if (this.#young.size >= maxBuckets / 2) {
      this.#old = this.#young
      this.#young = new Map()
    }
    const bucket = this.#old.get(key) ?? { tokens: rate, filledMs: this.#clock.nowMs() }
    this.#young.set(key, bucket)
    return bucket
  }
}
