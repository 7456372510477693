import { type ErrorKind, SpiffeError } from '../errors.ts'

export type SpiffeIdErrorCode =
  | 'ERR_SPIFFE_ID_EMPTY'
  | 'ERR_SPIFFE_ID_SCHEME'
  | 'ERR_TRUST_DOMAIN_MISSING'
  | 'ERR_TRUST_DOMAIN_CHARACTERS'
  | 'ERR_SPIFFE_ID_PATH'
  | 'ERR_SPIFFE_ID_UNEXPECTED'

/** A string that is not a SPIFFE ID or trust domain name, or an ID that is not the expected one. */
export class SpiffeIdError extends SpiffeError<SpiffeIdErrorCode> {
  override get kind(): ErrorKind {
    return this.code === 'ERR_SPIFFE_ID_UNEXPECTED' ? 'permission-denied' : 'invalid-argument'
  }
}
