import { type ErrorKind, SpiffeError } from '@mini-spire/sdk/errors'

export type WorkloadAttestorErrorCode =
  | 'ERR_WORKLOAD_ATTESTOR_CONFIG'
  | 'ERR_WORKLOAD_UNREADABLE'
  | 'ERR_WORKLOAD_TOO_LARGE'
  | 'ERR_WORKLOAD_LIMIT'
  | 'ERR_WORKLOAD_CONTAINER_CONFLICT'
  | 'ERR_WORKLOAD_CONTAINER_FORGED'
  | 'ERR_WORKLOAD_ENGINE'
  | 'ERR_WORKLOAD_NOT_FOUND'
  | 'ERR_WORKLOAD_DISABLED'
  | 'ERR_WORKLOAD_REFERENCE_INVALID'
  | 'ERR_WORKLOAD_OBJECT_NOT_FOUND'
  | 'ERR_WORKLOAD_BROKER_DENIED'
  | 'ERR_WORKLOAD_BROKER_CONFIG'

const kinds: Record<WorkloadAttestorErrorCode, ErrorKind> = {
  ERR_WORKLOAD_ATTESTOR_CONFIG: 'invalid-argument',
  ERR_WORKLOAD_UNREADABLE: 'internal',
  ERR_WORKLOAD_TOO_LARGE: 'internal',
  ERR_WORKLOAD_LIMIT: 'resource-exhausted',
  ERR_WORKLOAD_CONTAINER_CONFLICT: 'failed-precondition',
  ERR_WORKLOAD_CONTAINER_FORGED: 'permission-denied',
  ERR_WORKLOAD_ENGINE: 'unavailable',
  ERR_WORKLOAD_NOT_FOUND: 'deadline-exceeded',
  ERR_WORKLOAD_DISABLED: 'failed-precondition',
  ERR_WORKLOAD_REFERENCE_INVALID: 'invalid-argument',
  ERR_WORKLOAD_OBJECT_NOT_FOUND: 'not-found',
  ERR_WORKLOAD_BROKER_DENIED: 'permission-denied',
  ERR_WORKLOAD_BROKER_CONFIG: 'internal',
}

/** A workload attestor that could not look at a process. The message begins with `workloadattestor(<name>): `. */
export class WorkloadAttestorError extends SpiffeError<WorkloadAttestorErrorCode> {
  override get kind(): ErrorKind {
    return kinds[this.code]
  }

  constructor(
    attestor: string,
    code: WorkloadAttestorErrorCode,
    message: string,
    options?: { readonly cause?: unknown },
  ) {
    super(code, `workloadattestor(${attestor}): ${message}`, options)
  }
}
