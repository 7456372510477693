/** Each bucket's upper bound is this many times its lower one, so that a quantile is within one percent of a value that was seen. */
const growth = 1.02
const logGrowth = Math.log(growth)
/** The window is forgotten in this many steps. */
const slotCount = 5

/** Values of one step of time, counted by magnitude. */
interface Slot {
  readonly counts: Map<number, number>
  /** Which step of time it holds. */
  step: number
}

/** Values that are not positive have no magnitude. */
const zeroBucket = Number.NEGATIVE_INFINITY

/**
 * Quantiles of the values seen in the last moments, as a Prometheus summary shows them: within one percent, in memory that
 * does not grow with their number.
 */
export class QuantileWindow {
  readonly #slotMs: number
  readonly #slots: Slot[]

  /** @param windowMs how long a value counts */
  constructor(windowMs: number) {
    this.#slotMs = windowMs / slotCount
    this.#slots = Array.from({ length: slotCount }, () => ({ counts: new Map(), step: -1 }))
  }

  /** Counts a value. */
  observe(value: number, nowMs: number): void {
    const step = Math.floor(nowMs / this.#slotMs)
    const slot = this.#slots[step % slotCount]
    if (!slot) return
    if (slot.step !== step) {
      slot.step = step
      slot.counts.clear()
    }
    const bucket = value > 0 ? Math.ceil(Math.log(value) / logGrowth) : zeroBucket
    slot.counts.set(bucket, (slot.counts.get(bucket) ?? 0) + 1)
  }

  /** The values below which these shares of the window lie; NaN each when the window is empty. */
  quantiles(shares: readonly number[], nowMs: number): readonly number[] {
    const merged = this.#merge(Math.floor(nowMs / this.#slotMs))
    const total = merged.reduce((sum, [, count]) => sum + count, 0)
    return shares.map((share) => {
      let left = Math.max(1, Math.ceil(share * total))
      for (const [bucket, count] of merged) {
        left -= count
        if (left <= 0) return middleOf(bucket)
      }
      return Number.NaN
    })
  }

  #merge(step: number): readonly (readonly [bucket: number, count: number])[] {
    const counts = new Map<number, number>()
    for (const slot of this.#slots) {
      if (slot.step <= step - slotCount || slot.step > step) continue
      for (const [bucket, count] of slot.counts)
        counts.set(bucket, (counts.get(bucket) ?? 0) + count)
    }
    return [...counts].sort(([a], [b]) => a - b)
  }
}

/** The value in the middle of a bucket, rounded to what is known of it. */
function middleOf(bucket: number): number {
  if (bucket === zeroBucket) return 0
  return Number(((2 * growth ** bucket) / (growth + 1)).toPrecision(4))
}
