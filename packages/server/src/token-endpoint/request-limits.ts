import { limitKey } from '@mini-spire/runtime/client-address'
import type { Clock } from '@mini-spire/runtime/clock'
import { HandshakeAdmission } from '@mini-spire/runtime/grpc/admission'

/** Bounds on requests that may come from anybody. */
export interface ExchangeLimits {
  /** Requests under way, in total and by one address; others are refused. @default 128 and 16 */
  readonly maxRequests: number
  readonly maxRequestsPerAddress: number
  /** New requests per second by one address, after a burst of ten times as many. @default 10 */
  readonly requestsPerSecondPerAddress: number
}

/** What holds when nothing else is asked for. */
export const defaultExchangeLimits: ExchangeLimits = {
  maxRequests: 128,
  maxRequestsPerAddress: 16,
  requestsPerSecondPerAddress: 10,
}

/**
 * Decides which requests are read at all. They are counted as handshakes are: one costs about as much, and needs no permission either.
 */
export class RequestLimits {
  readonly #admission: HandshakeAdmission

  constructor(options: { readonly limits: ExchangeLimits; readonly clock: Clock }) {
    const { maxRequests, maxRequestsPerAddress, requestsPerSecondPerAddress } = options.limits
    const limits = {
      maxHandshakes: maxRequests,
      maxHandshakesPerAddress: maxRequestsPerAddress,
      handshakesPerSecondPerAddress: requestsPerSecondPerAddress,
    }
    this.#admission = new HandshakeAdmission({ limits, clock: options.clock })
  }

  /** Lets a request in, and returns what has to be called when it has ended; undefined: it is refused. */
  enter(address: string): (() => void) | undefined {
    const key = limitKey(address)
    if (!this.#admission.enter(key)) return undefined
    return () => this.#admission.leave(key)
  }
}
