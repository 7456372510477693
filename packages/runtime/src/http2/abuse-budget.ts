/** What a peer may do so often at once and so often a second, and no more. */
export class AbuseBudget {
  readonly #burst: number
  readonly #perSecond: number
  #left: number
  #lastMs = 0

  constructor(options: { readonly burst: number; readonly perSecond: number }) {
    this.#burst = options.burst
    this.#perSecond = options.perSecond
    this.#left = options.burst
  }

  /** Takes one; returns how many are left, less than nothing when it was one too many. */
  take(nowMs: number): number {
    const returned = (Math.max(nowMs - this.#lastMs, 0) / 1000) * this.#perSecond
    this.#lastMs = nowMs
    this.#left = Math.min(this.#burst, this.#left + returned) - 1
    return this.#left
  }
}
