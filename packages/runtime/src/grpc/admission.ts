import type { Clock } from '../clock.ts'
import { AddressAllowances } from './address-allowances.ts'
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

/**
 * Decides which connections may start a TLS handshake: it costs a millisecond of the one thread and needs no
 * permission, so it is counted by address and in total before it begins.
 */
export class HandshakeAdmission {
  readonly #limits: HandshakeLimits
  readonly #allowances: AddressAllowances
  readonly #running = new Map<string, number>()
  #total = 0
  #waiting = 0

  constructor(options: { readonly limits: HandshakeLimits; readonly clock: Clock }) {
    const { limits, clock } = options
    this.#limits = limits
    const perSecond = limits.handshakesPerSecondPerAddress
    this.#allowances = new AddressAllowances({ perSecond, burstSeconds, clock })
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
    this.#allowances.take(address, costMs / handshakeCostMs)
  }

  #takeToken(address: string): boolean {
    if (this.#allowances.left(address) < 1) return false
    this.#allowances.take(address, 1)
    return true
  }
}
