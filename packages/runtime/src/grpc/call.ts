import { randomUUID } from 'node:crypto'
import type { Clock } from '../clock.ts'
import { LateLogger } from '../log/late-logger.ts'
import type { Logger } from '../log/logger.ts'
import { ApiError } from './api-error.ts'
import type { CallContext, Peer } from './call-context.ts'

/** What makes a {@link ServerCall}. */
export interface ServerCallOptions {
  readonly peer: Peer
  readonly method: string
  readonly clock: Clock
  readonly log: Logger
  readonly metadata: (name: string) => readonly string[]
}

/** The host's side of one call: the context that handlers see, and the switch that aborts its signal. */
export interface ServerCall {
  readonly context: CallContext
  /** Aborts the context's signal; only the first reason counts. */
  abort(reason: unknown): void
  /** Sets the one listener of the abort, in place of the last; called at once when it has happened. */
  onAbort(listener: (reason: unknown) => void): void
}

/** What a call's signal carries when its caller has gone or its deadline has passed. */
export function callerGone(): ApiError {
  return new ApiError('canceled', 'context canceled')
}

/**
 * Makes the context of a call. Request ID, logger and signal are made on first use: most calls never ask for the last two.
 */
export function createServerCall(options: ServerCallOptions): ServerCall {
  return new LazyCall(options)
}

/** Context and switch in one object: a call of a busy daemon costs one allocation, and all calls have one shape. */
class LazyCall implements CallContext, ServerCall {
  readonly peer: Peer
  readonly method: string
  readonly clock: Clock
  readonly metadata: (name: string) => readonly string[]
  readonly #log: Logger
  #requestId: string | undefined
  #ownLog: Logger | undefined
  #controller: AbortController | undefined
  #aborted: { readonly reason: unknown } | undefined
  #listener: ((reason: unknown) => void) | undefined

  constructor({ peer, method, clock, log, metadata }: ServerCallOptions) {
    this.peer = peer
    this.method = method
    this.clock = clock
    this.metadata = metadata
    this.#log = log
  }

  get context(): CallContext {
    return this
  }

  get requestId(): string {
    this.#requestId ??= randomUUID()
    return this.#requestId
  }

  get log(): Logger {
    this.#ownLog ??= new LateLogger(this.#log, () => ({ request_id: this.requestId }))
    return this.#ownLog
  }

  get signal(): AbortSignal {
    if (!this.#controller) {
      this.#controller = new AbortController()
      if (this.#aborted) this.#controller.abort(this.#aborted.reason)
    }
    return this.#controller.signal
  }

  abort(reason: unknown): void {
    if (this.#aborted) return
    this.#aborted = { reason }
    this.#controller?.abort(reason)
    this.#listener?.(reason)
  }

  onAbort(added: (reason: unknown) => void): void {
    this.#listener = added
    if (this.#aborted) added(this.#aborted.reason)
  }
}
