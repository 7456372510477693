import { ApiError } from '@mini-spire/runtime/grpc/api-error'
import { errorText } from '@mini-spire/runtime/grpc/status-text'
import type { Logger } from '@mini-spire/runtime/log/logger'
import { type ErrorKind, isSpiffeError, messageOf } from '@mini-spire/sdk/errors'
import { GrpcStatus, grpcStatusFromKind } from '@mini-spire/sdk/grpc-status'

/** How one item of a batch ended, as `spire.api.types.Status` says it. */
export interface ItemStatus {
  readonly code: number
  readonly message: string
}

/** The status of an item that went well. */
export const okStatus: ItemStatus = Object.freeze({ code: GrpcStatus.OK, message: 'OK' })

/**
 * The text of a failure: what failed, then why. Of something not found the why is never told.
 */
export function failureText(kind: ErrorKind, message: string, cause?: unknown): string {
  return cause === undefined || kind === 'not-found' ? message : `${message}: ${messageOf(cause)}`
}

/**
 * Makes the error that ends a call, and logs it as SPIRE does.
 *
 * @param cause why; a {@link SpiffeError}. Anything else is a bug, and thrown as it is
 */
export function callFailure(
  log: Logger,
  kind: ErrorKind,
  message: string,
  cause?: unknown,
): ApiError {
  logFailure(log, kind, message, cause)
  return new ApiError(kind, failureText(kind, message, cause), { cause })
}

/** Makes the status of an item that failed, and logs it as SPIRE does. See {@link callFailure}. */
export function itemFailure(
  log: Logger,
  kind: ErrorKind,
  message: string,
  cause?: unknown,
): ItemStatus {
  logFailure(log, kind, message, cause)
  return { code: grpcStatusFromKind(kind), message: failureText(kind, message, cause) }
}

function logFailure(log: Logger, kind: ErrorKind, message: string, cause: unknown): void {
  if (cause !== undefined && !isSpiffeError(cause)) throw cause
  const fields = cause === undefined || kind === 'not-found' ? {} : { error: errorText(cause) }
  if (kind === 'invalid-argument') log.error(`Invalid argument: ${message}`, fields)
  else log.error(message.charAt(0).toUpperCase() + message.slice(1), fields)
}

/**
 * Reads a part of a message; what is wrong with it is told with the part's name before it.
 *
 * @throws {ApiError} `invalid-argument`, `<label>: <why>`
 */
export function labelled<Value>(label: string, read: () => Value): Value {
  try {
    return read()
  } catch (cause) {
    if (!isSpiffeError(cause)) throw cause
    throw new ApiError('invalid-argument', `${label}: ${cause.message}`, { cause })
  }
}
