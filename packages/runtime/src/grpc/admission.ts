import type { Clock } from '../clock.ts'
import type { HostLimits } from './host-limits.ts'

/** The bounds that concern handshakes. */
export type HandshakeLimits = Pick<
  HostLimits,
  | 'maxHandshakes'
  | 'maxHandshakesPerAddress'
  | 'maxWaitingHandshakes'
  | 'handshakesPerSecondPerAddress'
>

/** What becomes of a new connection before a byte of it is read. */
export type Admission = 'now' | 'wait' | 'refuse'

/** A burst may be this many seconds of the rate. */
const burstSeconds = 10
/** What one handshake costs the one thread, about: the unit of an allowance. */
const handshakeCostMs = 1
/** Addresses whose allowance is full again are forgotten when this many are known. */
const sweepAt = 4_096

interface Bucket {
  allowance: number
  updatedMs: number
}

/**
 * Decides which connections may start a TLS handshake: it costs a millisecond of the one thread and needs no
 * permission, so it is counted by address and in total before it begins.
 */
export class HandshakeAdmission {
  readonly #limits: HandshakeLimits
  readonly #clock: Clock
  readonly #running = new Map<string, number>()
  readonly #buckets = new Map<string, Bucket>()
  #total = 0
  #waiting = 0
  #sweepAt = sweepAt

  constructor(options: { readonly limits: HandshakeLimits; readonly clock: Clock }) {
    this.#limits = options.limits
    this.#clock = options.clock
  }

  /** Counts a new connection; `now` and `wait` hold a place for its address until {@link leave}. */
  enter(address: string): Admission {
    const mine = this.#running.get(address) ?? 0
    if (mine >= this.#limits.maxHandshakesPerAddress || !this.#takeToken(address)) return 'refuse'
    const isFull = this.#total >= this.#limits.maxHandshakes
    if (isFull && this.#waiting >= this.#limits.maxWaitingHandshakes) return 'refuse'
    this.#running.set(address, mine + 1)
    if (isFull) this.#waiting++
    else this.#total++
    return isFull ? 'wait' : 'now'
  }

  /** A connection that waited starts. */
  promote(): void {
    this.#waiting--
    this.#total++
  }

  /** Whether one that waits may start. */
  get hasRoom(): boolean {
    return this.#total < this.#limits.maxHandshakes
  }

  /** A handshake ended, well or badly; or a connection went away while it waited. */
  leave(address: string, phase: 'running' | 'waiting'): void {
    if (phase === 'running') this.#total--
    else this.#waiting--
    const left = (this.#running.get(address) ?? 1) - 1
    if (left === 0) this.#running.delete(address)
    else this.#running.set(address, left)
  }

  /**
   * Makes an address pay for a certificate that was refused, by what the check cost: a chain can be made to cost a hundred
   * handshakes, and nobody has to be anybody to send one.
   */
  charge(address: string, costMs: number): void {
    this.#bucketOf(address).allowance -= costMs / handshakeCostMs
  }

  #takeToken(address: string): boolean {
    const bucket = this.#bucketOf(address)
    if (bucket.allowance < 1) return false
    bucket.allowance--
    return true
  }

  /** What an address has left by now. */
  #bucketOf(address: string): Bucket {
    const rate = this.#limits.handshakesPerSecondPerAddress
    const burst = rate * burstSeconds
    const nowMs = this.#clock.nowMs()
    const known = this.#buckets.get(address)
    const bucket = known ?? { allowance: burst, updatedMs: nowMs }
    const gained = (Math.max(nowMs - bucket.updatedMs, 0) / 1000) * rate
    bucket.allowance = Math.min(burst, bucket.allowance + gained)
    bucket.updatedMs = nowMs
    if (known) return bucket
    this.#buckets.set(address, bucket)
    if (this.#buckets.size > this.#sweepAt) this.#sweep(nowMs)
    return bucket
  }

  /** Forgets addresses that have been quiet for a full burst and owe nothing; the next sweep is due at twice what is left. */
  #sweep(nowMs: number): void {
    for (const [address, { allowance, updatedMs }] of this.#buckets) {
      const isQuiet = nowMs - updatedMs >= burstSeconds * 1000
      if (isQuiet && allowance >= 0) this.#buckets.delete(address)
    }
    this.#sweepAt = Math.max(sweepAt, this.#buckets.size * 2)
  }
}
