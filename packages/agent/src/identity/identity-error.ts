import { type ErrorKind, SpiffeError } from '@mini-spire/sdk/errors'

export type IdentityErrorCode = 'ERR_JWT_SVID_UNAVAILABLE'

const kinds: Record<IdentityErrorCode, ErrorKind> = {
  ERR_JWT_SVID_UNAVAILABLE: 'unavailable',
}

/** An identity that a workload may have, and that cannot be had now. */
export class IdentityError extends SpiffeError<IdentityErrorCode> {
  override get kind(): ErrorKind {
    return kinds[this.code]
  }
}
