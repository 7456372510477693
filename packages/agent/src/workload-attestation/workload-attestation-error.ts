import { type ErrorKind, SpiffeError } from '@mini-spire/sdk/errors'

export type WorkloadAttestationErrorCode =
  | 'ERR_WORKLOAD_ATTESTATION_FAILED'
  | 'ERR_WORKLOAD_ATTESTOR_TIMEOUT'
  | 'ERR_WORKLOAD_GONE'
  | 'ERR_WORKLOAD_CHANGED'
  | 'ERR_WORKLOAD_NOT_THERE'
  | 'ERR_WORKLOAD_REFERENCE_UNSUPPORTED'

const kinds: Record<WorkloadAttestationErrorCode, ErrorKind> = {
  ERR_WORKLOAD_ATTESTATION_FAILED: 'unavailable',
  ERR_WORKLOAD_ATTESTOR_TIMEOUT: 'deadline-exceeded',
  ERR_WORKLOAD_GONE: 'unauthenticated',
  ERR_WORKLOAD_CHANGED: 'unavailable',
  ERR_WORKLOAD_NOT_THERE: 'not-found',
  ERR_WORKLOAD_REFERENCE_UNSUPPORTED: 'unimplemented',
}

/** A caller about whom nothing could be found out. */
export class WorkloadAttestationError extends SpiffeError<WorkloadAttestationErrorCode> {
  override get kind(): ErrorKind {
    return kinds[this.code]
  }
}

/** A workload that a broker named and that no attestor could describe: with the kind of what the first of them said. */
export class ReferenceAttestationError extends SpiffeError<'ERR_WORKLOAD_REFERENCE_FAILED'> {
  readonly #kind: ErrorKind

  constructor(kind: ErrorKind, message: string, options?: { readonly cause?: unknown }) {
    super('ERR_WORKLOAD_REFERENCE_FAILED', message, options)
    this.#kind = kind
  }

  override get kind(): ErrorKind {
    return this.#kind
  }
}
