import type { Clock } from '@mini-spire/runtime/clock'

/** Agents whose allowance is full again are forgotten when this many are known. */
const sweepAt = 4_096

interface Allowance {
  left: number
  updatedMs: number
}

/** Lets each agent do something so often: a burst, and then at a rate. */
export class Allowances {
  readonly #burst: number
  readonly #perSecond: number
  readonly #clock: Clock
  readonly #byAgent = new Map<string, Allowance>()

  constructor(options: {
    readonly burst: number
    readonly perSecond: number
    readonly clock: Clock
  }) {
    this.#burst = options.burst
    this.#perSecond = options.perSecond
    this.#clock = options.clock
  }

  /** Takes one; false when none is left. */
  take(agentId: string): boolean {
    const nowMs = this.#clock.nowMs()
    const known = this.#byAgent.get(agentId)
    const left = known === undefined ? this.#burst : this.#leftAt(known, nowMs)
    if (known === undefined && this.#byAgent.size >= sweepAt) this.#sweep(nowMs)
    const isAllowed = left >= 1
    this.#byAgent.set(agentId, { left: isAllowed ? left - 1 : left, updatedMs: nowMs })
    return isAllowed
  }

  #leftAt({ left, updatedMs }: Allowance, nowMs: number): number {
    const gained = (Math.max(nowMs - updatedMs, 0) / 1000) * this.#perSecond
    return Math.min(this.#burst, left + gained)
  }

  #sweep(nowMs: number): void {
    for (const [agentId, allowance] of this.#byAgent)
      if (this.#leftAt(allowance, nowMs) >= this.#burst) this.#byAgent.delete(agentId)
  }
}
