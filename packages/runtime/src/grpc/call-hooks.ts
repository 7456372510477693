import type { CallContext } from './call-context.ts'

/** How a call ended. */
export interface CallOutcome {
  /** gRPC status number; 0 is OK. */
  readonly code: number
  /** The status message, as the client sees it; empty when it succeeded. */
  readonly message: string
  readonly durationMs: number
  /** What was thrown, for the log. */
  readonly error?: unknown
}

/**
 * What a host does around every call: find the caller, apply policy and limits before; count, log and audit after.
 * One instance per host.
 */
export interface CallHooks<C extends CallContext> {
  /**
   * Lets a call in, and gives handlers their richer context; a subclass of `ExtendedCall`.
   *
   * @param request the decoded request; undefined for calls that stream requests (as SPIRE's policy sees them)
   * @throws to refuse the call; the handler does not run
   */
  before(call: CallContext, request: unknown): C | Promise<C>
  /** Sees the end of every call that reached {@link CallHooks.before}, refused ones too. Must not throw. */
  after(call: CallContext, outcome: CallOutcome): void
}

/** Hooks that let every call in and remember nothing. */
export const openHooks: CallHooks<CallContext> = {
  before: (call) => call,
  after: () => {},
}
