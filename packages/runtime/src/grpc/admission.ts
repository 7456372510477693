import type { Clock } from '../clock.ts'
import { AddressAllowances } from './address-allowances.ts'
import type { HostLimits } from './host-limits.ts'

/** How many handshakes may be begun, and how often. */
export type HandshakeLimits = Pick<
  HostLimits,
  'maxHandshakes' | 'maxHandshakesPerAddress' | 'handshakesPerSecondPerAddress'
>

/** A burst may be this many seconds of the rate. */
const burstSeconds = 10
/** What one handshake costs the one thread, about: the unit of an allowance. */
const handshakeCostMs = 1

/**
 * Decides which connections may make a TLS handshake at all: it costs a millisecond of the one thread and needs no
 * permission, so it is counted by address and in total before it begins.
 */
export class HandshakeAdmission {
  readonly #limits: HandshakeLimits
  readonly #allowances: AddressAllowances
  readonly #byAddress = new Map<string, number>()
  #total = 0

  constructor(options: { readonly limits: HandshakeLimits; readonly clock: Clock }) {
    const { limits, clock } = options
    this.#limits = limits
    const perSecond = limits.handshakesPerSecondPerAddress
    this.#allowances = new AddressAllowances({ perSecond, burstSeconds, clock })
  }

  /** Counts a new connection, which holds a place for its address until {@link leave}; false: it is refused. */
  enter(address: string): boolean {
    const mine = this.#byAddress.get(address) ?? 0
    if (mine >= this.#limits.maxHandshakesPerAddress || !this.#takeToken(address)) return false
    if (this.#total >= this.#limits.maxHandshakes) return false
    this.#byAddress.set(address, mine + 1)
    this.#total++
    return true
  }

  /** A handshake ended, well or badly. */
  leave(address: string): void {
    this.#total--
    const left = (this.#byAddress.get(address) ?? 1) - 1
    if (left === 0) this.#byAddress.delete(address)
    else this.#byAddress.set(address, left)
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
