import type { Clock } from './clock.ts'

const multiplier = 1.5
const jitter = 0.1
/** The longest delay unless another is given, in first delays. */
const defaultMaxMultiple = 24

/** Options of {@link Backoff}. */
export interface BackoffOptions {
  readonly initialMs: number
  /** @default 24 times the first delay */
  readonly maxMs?: number
  /** When to give up, counted from the start or the last reset; left out: never. */
  readonly maxElapsedMs?: number
  readonly clock: Clock
  /** A number in [0, 1), anew at each call. */
  readonly chance: () => number
}

/**
 * Delays between attempts: half as long again each time up to a limit, each ± 10 % so that a crowd does not come back at once.
 */
export class Backoff {
  readonly #options: BackoffOptions
  #nextMs: number
  #startedMs: number

  constructor(options: BackoffOptions) {
    this.#options = options
    this.#nextMs = options.initialMs
    this.#startedMs = options.clock.nowMs()
  }

  /** The delay before the next attempt; undefined: give up, the time would run out during it. */
  next(): number | undefined {
    const { initialMs, maxElapsedMs, clock, chance } = this.#options
    const maxMs = this.#options.maxMs ?? initialMs * defaultMaxMultiple
    const delayMs = this.#nextMs * (1 - jitter + 2 * jitter * chance())
    this.#nextMs = Math.min(this.#nextMs * multiplier, maxMs)
    if (maxElapsedMs === undefined) return delayMs
    return clock.nowMs() - this.#startedMs + delayMs > maxElapsedMs ? undefined : delayMs
  }

  /** Begins anew, after a success. */
  reset(): void {
    this.#nextMs = this.#options.initialMs
    this.#startedMs = this.#options.clock.nowMs()
  }
}
