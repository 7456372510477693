import type { Clock } from '../clock.ts'

/** Addresses whose allowance is full again are forgotten when this many are known. */
const sweepAt = 4_096

interface Allowance {
  left: number
  updatedMs: number
}

/** Options of {@link AddressAllowances}. */
export interface AddressAllowancesOptions {
  readonly perSecond: number
  /** A burst may be this many seconds of the rate. */
  readonly burstSeconds: number
  readonly clock: Clock
}

/** What each address may cost: so much a second, after a burst. Who has taken more than that owes it. */
export class AddressAllowances {
  readonly #options: AddressAllowancesOptions
  readonly #known = new Map<string, Allowance>()
  #sweepAt = sweepAt

  constructor(options: AddressAllowancesOptions) {
    this.#options = options
  }

  /** What an address has left by now; less than nothing when it owes. */
  left(address: string): number {
    return this.#of(address).left
  }

  /** Takes it whether it is there or not. */
  take(address: string, cost: number): void {
    this.#of(address).left -= cost
  }

  #of(address: string): Allowance {
    const { perSecond, burstSeconds, clock } = this.#options
    const burst = perSecond * burstSeconds
    const nowMs = clock.nowMs()
    const known = this.#known.get(address)
    const allowance = known ?? { left: burst, updatedMs: nowMs }
    const gained = (Math.max(nowMs - allowance.updatedMs, 0) / 1000) * perSecond
    allowance.left = Math.min(burst, allowance.left + gained)
    allowance.updatedMs = nowMs
    if (known) return allowance
    this.#known.set(address, allowance)
    if (this.#known.size > this.#sweepAt) this.#sweep(nowMs)
    return allowance
  }

  /** Forgets addresses that have been quiet for a full burst and owe nothing; the next sweep is due at twice what is left. */
  #sweep(nowMs: number): void {
    for (const [address, { left, updatedMs }] of this.#known) {
      const isQuiet = nowMs - updatedMs >= this.#options.burstSeconds * 1000
      if (isQuiet && left >= 0) this.#known.delete(address)
    }
    this.#sweepAt = Math.max(sweepAt, this.#known.size * 2)
  }
}
