import { type ErrorKind, SpiffeError } from '@mini-spire/sdk/errors'

export type WorkloadAttestorErrorCode =
  | 'ERR_WORKLOAD_ATTESTOR_CONFIG'
  | 'ERR_WORKLOAD_UNREADABLE'
  | 'ERR_WORKLOAD_TOO_LARGE'
  | 'ERR_WORKLOAD_LIMIT'

const kinds: Record<WorkloadAttestorErrorCode, ErrorKind> = {
  ERR_WORKLOAD_ATTESTOR_CONFIG: 'invalid-argument',
  ERR_WORKLOAD_UNREADABLE: 'internal',
  ERR_WORKLOAD_TOO_LARGE: 'internal',
  ERR_WORKLOAD_LIMIT: 'resource-exhausted',
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
