import type { Clock } from '@mini-spire/runtime/clock'

/** How often a stranger may have the members asked for again before they are due. */
const refreshesPerPeriod = 5

/** Options of {@link MembershipCache}. */
export interface MembershipCacheOptions {
  readonly clock: Clock
  readonly ttlMs: number
  /** Asks for all members. The signal is of the cache, not of who asks: his leaving takes nothing from others. */
  readonly load: (signal: AbortSignal) => Promise<ReadonlySet<string>>
}

/**
 * Who belongs to something, asked for again when it is old, and for a stranger a few times before that: he may have
 * joined just now. Who asks at the same time shares one question. What could not be renewed is not used any longer.
 */
export class MembershipCache {
  readonly #options: MembershipCacheOptions
  #members: ReadonlySet<string> = new Set()
  #renewAtMs = Number.NEGATIVE_INFINITY
  #refreshesLeft = refreshesPerPeriod
  #loading: Promise<void> | undefined

  constructor(options: MembershipCacheOptions) {
    this.#options = options
  }

  /** @throws {Error} when the members cannot be had */
  async has(member: string): Promise<boolean> {
    const { clock, ttlMs } = this.#options
    if (clock.nowMs() > this.#renewAtMs) {
      await this.#load(() => {
        this.#renewAtMs = clock.nowMs() + ttlMs
        this.#refreshesLeft = refreshesPerPeriod
      })
      return this.#members.has(member)
    }
    if (!this.#members.has(member) && (this.#loading || this.#refreshesLeft > 0)) {
      await this.#load(() => {
        this.#refreshesLeft--
      })
    }
    return this.#members.has(member)
  }

  async #load(onLoaded: () => void): Promise<void> {
    this.#loading ??= this.#options
      .load(new AbortController().signal)
      .then((members) => {
        this.#members = members
        onLoaded()
      })
      .finally(() => {
        this.#loading = undefined
      })
    await this.#loading
  }
}
