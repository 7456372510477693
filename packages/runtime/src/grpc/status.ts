import type { Metadata } from '@grpc/grpc-js'
import { isSpiffeError, type SpiffeError } from '@mini-spire/sdk/errors'
import { GrpcStatus, grpcStatusFromKind } from '@mini-spire/sdk/grpc-status'
import { Status } from '../proto/google/rpc/status.ts'
import { ApiError, type StatusDetail } from './api-error.ts'

/** The status a call ends with, as it goes on the wire. */
export interface CallStatus {
  readonly code: number
  readonly message: string
  readonly details: readonly StatusDetail[]
}

const detailsKey = 'grpc-status-details-bin'

/**
 * The status that a thrown value becomes: a {@link SpiffeError} its kind's code with its own message, a caller that
 * went away Canceled, anything else Internal with the request ID only, so that nothing inside leaks.
 */
export function statusFromError(error: unknown, requestId: () => string): CallStatus {
  if (isSpiffeError(error)) return statusFromSpiffeError(error)
  if (isAbort(error)) {
    return { code: GrpcStatus.Canceled, message: 'context canceled', details: [] }
  }
  return { code: GrpcStatus.Internal, message: `internal error (${requestId()})`, details: [] }
}

/** Whether a thrown value says nothing about what went wrong, so that the log has to. */
export function isUnexpected(error: unknown): boolean {
  return !isSpiffeError(error) && !isAbort(error)
}

function statusFromSpiffeError(error: SpiffeError): CallStatus {
  const details = error instanceof ApiError ? error.details : []
  return { code: grpcStatusFromKind(error.kind), message: error.message, details }
}

function isAbort(error: unknown): boolean {
  return error instanceof Error && error.name === 'AbortError'
}

/** A status as it is sent. */
export interface WireStatus {
  readonly code: number
  readonly details: string
  /** `google.rpc.Status` with what the message does not say; undefined: nothing more. */
  readonly detailsBin?: Buffer
}

/** A status for the wire; lone surrogates are replaced, as they cannot be sent. */
export function wireStatus(status: CallStatus): WireStatus {
  const details = (status.message as string & { toWellFormed(): string }).toWellFormed()
  if (status.details.length === 0) return { code: status.code, details }
  return { code: status.code, details, detailsBin: encodeDetails(status) }
}

function encodeDetails(status: CallStatus): Buffer {
  const details = status.details.map(({ typeUrl, value }) => ({ typeUrl, value }))
  const { code, message } = status
  return Buffer.from(Status.encode({ code, message, details }).finish())
}

/** The details a peer sent with its status; empty when there are none or they do not decode. */
export function detailsFromMetadata(metadata: Metadata | undefined): readonly StatusDetail[] {
  const [value] = metadata?.get(detailsKey) ?? []
  if (!(value instanceof Uint8Array)) return []
  try {
    return Status.decode(value).details.map(({ typeUrl, value }) => ({ typeUrl, value }))
  } catch {
    return []
  }
}
