import { type ErrorKind, SpiffeError } from '@mini-spire/sdk/errors'

export type IssuanceErrorCode =
  | 'ERR_CSR_REFUSED'
  | 'ERR_SVID_ID_REFUSED'
  | 'ERR_AUDIENCE_MISSING'
  | 'ERR_JWT_SVIDS_DISABLED'
  | 'ERR_WIT_ALGORITHM_REFUSED'
  | 'ERR_SIGNING_FAILED'

const kinds: Record<IssuanceErrorCode, ErrorKind> = {
  ERR_CSR_REFUSED: 'invalid-argument',
  ERR_SVID_ID_REFUSED: 'invalid-argument',
  ERR_AUDIENCE_MISSING: 'invalid-argument',
  ERR_JWT_SVIDS_DISABLED: 'unimplemented',
  ERR_WIT_ALGORITHM_REFUSED: 'invalid-argument',
  ERR_SIGNING_FAILED: 'internal',
}

/**
 * An identity document that is not issued. The messages are those that callers of the SVID service see, prefix included:
 * a service passes them on as they are.
 */
export class IssuanceError extends SpiffeError<IssuanceErrorCode> {
  override get kind(): ErrorKind {
    return kinds[this.code]
  }
}
