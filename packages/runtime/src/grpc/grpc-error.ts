import { type ErrorKind, SpiffeError } from '@mini-spire/sdk/errors'
import { grpcStatusName, kindFromGrpcStatus } from '@mini-spire/sdk/grpc-status'
import type { StatusDetail } from './api-error.ts'

/** The status a call ended with. */
export interface GrpcErrorOptions {
  readonly statusCode: number
  readonly statusMessage: string
  readonly details?: readonly StatusDetail[]
  readonly cause?: unknown
}

/**
 * A call that the peer refused or that never reached it; its message reads as Go prints a status:
 * `rpc error: code = NotFound desc = agent not found`.
 */
export class GrpcError extends SpiffeError<'ERR_GRPC_CALL'> {
  readonly statusCode: number
  readonly statusMessage: string
  readonly details: readonly StatusDetail[]

  constructor(options: GrpcErrorOptions) {
    const { statusCode, statusMessage } = options
    super(
      'ERR_GRPC_CALL',
      `rpc error: code = ${grpcStatusName(statusCode)} desc = ${statusMessage}`,
      options,
    )
    this.statusCode = statusCode
    this.statusMessage = statusMessage
    this.details = options.details ?? []
  }

  override get kind(): ErrorKind {
    return kindFromGrpcStatus(this.statusCode)
  }
}
