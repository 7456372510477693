import { type ErrorKind, SpiffeError } from '@mini-spire/sdk/errors'

export type WorkloadAttestationErrorCode =
  | 'ERR_WORKLOAD_ATTESTATION_FAILED'
  | 'ERR_WORKLOAD_ATTESTOR_TIMEOUT'
  | 'ERR_WORKLOAD_GONE'

const kinds: Record<WorkloadAttestationErrorCode, ErrorKind> = {
  ERR_WORKLOAD_ATTESTATION_FAILED: 'unavailable',
  ERR_WORKLOAD_ATTESTOR_TIMEOUT: 'deadline-exceeded',
  ERR_WORKLOAD_GONE: 'unauthenticated',
}

/** A caller about whom nothing could be found out. */
export class WorkloadAttestationError extends SpiffeError<WorkloadAttestationErrorCode> {
  override get kind(): ErrorKind {
    return kinds[this.code]
  }
}
