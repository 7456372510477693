import { type ErrorKind, SpiffeError } from '../errors.ts'
import { grpcStatusName, kindFromGrpcStatus } from '../grpc-status.ts'

export type WorkloadApiErrorCode =
  | 'ERR_ENDPOINT_ADDRESS'
  | 'ERR_WORKLOAD_API_RESPONSE'
  | 'ERR_SOURCE_CLOSED'
  | 'ERR_IDENTITY_WITHDRAWN'

const kinds: Record<WorkloadApiErrorCode, ErrorKind> = {
  ERR_ENDPOINT_ADDRESS: 'invalid-argument',
  ERR_WORKLOAD_API_RESPONSE: 'internal',
  ERR_SOURCE_CLOSED: 'failed-precondition',
  ERR_IDENTITY_WITHDRAWN: 'permission-denied',
}

/** An address that is none, an answer that says nothing, or a source that was closed. */
export class WorkloadApiError extends SpiffeError<WorkloadApiErrorCode> {
  override get kind(): ErrorKind {
    return kinds[this.code]
  }
}

/** A call the Workload API refused, or that never reached it. `kind` says what can be done about it. */
export class WorkloadApiCallError extends SpiffeError<'ERR_WORKLOAD_API_CALL'> {
  /** gRPC status number. */
  readonly status: number
  /** The status text without its prefix, such as `no identity issued`. */
  readonly details: string

  constructor(status: number, details: string, options?: { readonly cause?: unknown }) {
    const text = `rpc error: code = ${grpcStatusName(status)} desc = ${details}`
    super('ERR_WORKLOAD_API_CALL', text, options)
    this.status = status
    this.details = details
  }

  override get kind(): ErrorKind {
    return kindFromGrpcStatus(this.status)
  }
}
