import { type ErrorKind, SpiffeError } from '@mini-spire/sdk/errors'

/** A `google.protobuf.Any` that travels with a status, in `grpc-status-details-bin`. */
export interface StatusDetail {
  readonly typeUrl: string
  readonly value: Uint8Array
}

/** What an {@link ApiError} may carry beside its kind and message. */
export interface ApiErrorOptions {
  readonly cause?: unknown
  readonly details?: readonly StatusDetail[]
}

/**
 * A refusal whose text is an interface: the message reaches the client exactly as it stands.
 *
 * Handlers and hooks throw it where the facts give a text. The cause stays on this side, for the log.
 */
export class ApiError extends SpiffeError<'ERR_API'> {
  readonly #kind: ErrorKind
  readonly details: readonly StatusDetail[]

  constructor(kind: ErrorKind, message: string, options: ApiErrorOptions = {}) {
    super('ERR_API', message, options)
    this.#kind = kind
    this.details = options.details ?? []
  }

  override get kind(): ErrorKind {
    return this.#kind
  }
}
