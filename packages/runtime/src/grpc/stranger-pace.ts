import type { Clock } from '../clock.ts'
import type { RequestPace } from '../http2/request-pace.ts'
import { AddressAllowances } from './address-allowances.ts'
import type { HostLimits } from './host-limits.ts'

const burstSeconds = 5

/** How often the strangers of one address may ask: a call costs the one thread too little to be noticed alone, and all of it in a flood. */
export class StrangerPace {
  readonly #perSecond: number
  readonly #allowances: AddressAllowances

  constructor(options: {
    readonly limits: Pick<HostLimits, 'callsPerSecondOfStrangersPerAddress'>
    readonly clock: Clock
  }) {
    this.#perSecond = options.limits.callsPerSecondOfStrangersPerAddress
    const { clock } = options
    this.#allowances = new AddressAllowances({ perSecond: this.#perSecond, burstSeconds, clock })
  }

  /** That of one connection, which all from its address share. */
  of(address: string): RequestPace {
    return {
      take: () => this.#allowances.take(address, 1),
      waitMs: () => Math.ceil(((1 - this.#allowances.left(address)) / this.#perSecond) * 1000),
    }
  }
}
