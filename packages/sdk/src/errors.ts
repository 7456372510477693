/**
 * What a caller can react to, the same everywhere: the edges (gRPC, HTTP, exit codes) map it, nobody else chooses a status.
 */
export type ErrorKind =
  | 'canceled'
  | 'unknown'
  | 'invalid-argument'
  | 'deadline-exceeded'
  | 'not-found'
  | 'already-exists'
  | 'permission-denied'
  | 'resource-exhausted'
  | 'failed-precondition'
  | 'aborted'
  | 'out-of-range'
  | 'unimplemented'
  | 'internal'
  | 'unavailable'
  | 'data-loss'
  | 'unauthenticated'

/**
 * An expected failure: `code` is stable and listed in `docs/errors.md`, `kind` says what a caller can do, the message
 * is for people (lower case, no full stop, never a secret).
 *
 * Each area subclasses it once with a closed union of codes and maps each code to its kind.
 */
export abstract class SpiffeError<Code extends string = string> extends Error {
  readonly code: Code
  abstract get kind(): ErrorKind

  constructor(code: Code, message: string, options?: { readonly cause?: unknown }) {
    super(message, options)
    this.name = new.target.name
    this.code = code
  }
}

/** Whether a value is a {@link SpiffeError}, optionally with this very code. */
export function isSpiffeError<Code extends string>(
  value: unknown,
  code?: Code,
): value is SpiffeError<Code> {
  return value instanceof SpiffeError && (code === undefined || value.code === code)
}

/** The text of anything that was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
