import type { Clock } from '../clock.ts'
import type { Logger } from '../log/logger.ts'
import type { CallContext, Peer } from './call-context.ts'

/**
 * A call with more than the host knows of it: hooks return a subclass that adds what they found out. What is lazy stays lazy, and all
 * calls have one shape, so that what handlers read of them is fast.
 *
 * @example
 * class CallOfSomebody extends ExtendedCall {
 *   readonly caller = callerOf(this.peer)
 * }
 */
export class ExtendedCall implements CallContext {
  readonly peer: Peer
  readonly method: string
  readonly clock: Clock
  /** The call as the host made it. */
  protected readonly bare: CallContext

  constructor(bare: CallContext) {
    this.peer = bare.peer
    this.method = bare.method
    this.clock = bare.clock
    this.bare = bare
  }

  get requestId(): string {
    return this.bare.requestId
  }

  get signal(): AbortSignal {
    return this.bare.signal
  }

  get log(): Logger {
    return this.bare.log
  }

  metadata(name: string): readonly string[] {
    return this.bare.metadata(name)
  }
}
