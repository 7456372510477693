import { randomUUID } from 'node:crypto'
import type { Clock } from '../clock.ts'
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
 *
 * The getters close over their state, so a context may be extended with {@link extendCall}.
 */
export function createServerCall(options: ServerCallOptions): ServerCall {
  const { peer, method, clock, metadata } = options
  let requestId: string | undefined
  let log: Logger | undefined
  let controller: AbortController | undefined
  let aborted: { readonly reason: unknown } | undefined
  let listener: ((reason: unknown) => void) | undefined
  const idOf = (): string => {
    requestId ??= randomUUID()
    return requestId
  }
  const context: CallContext = {
    peer,
    method,
    clock,
    metadata,
    get requestId() {
      return idOf()
    },
    get log() {
      log ??= options.log.with({ request_id: idOf() })
      return log
    },
    get signal() {
      if (!controller) {
        controller = new AbortController()
        if (aborted) controller.abort(aborted.reason)
      }
      return controller.signal
    },
  }
  return {
    context,
    abort(reason) {
      if (aborted) return
      aborted = { reason }
      controller?.abort(reason)
      listener?.(reason)
    },
    onAbort(added) {
      listener = added
      if (aborted) added(aborted.reason)
    },
  }
}

/**
 * Adds what a hook found out (the caller, an audit row, a richer logger) to a call, without copying it: what is lazy stays lazy.
 *
 * @example
 * before: (call) => extendCall(call, { caller: callerOf(call.peer) })
 */
export function extendCall<C extends CallContext, X extends object>(call: C, extra: X): C & X {
  return Object.defineProperties(
    Object.create(call),
    Object.getOwnPropertyDescriptors(extra),
  ) as C & X
}
