import { type ErrorKind, SpiffeError } from '../errors.ts'

export type JwtSvidErrorCode =
  | 'ERR_JWT_SVID_MALFORMED'
  | 'ERR_JWT_SVID_HEADER'
  | 'ERR_JWT_SVID_KEY_ID_MISSING'
  | 'ERR_JWT_SVID_SUBJECT_MISSING'
  | 'ERR_JWT_SVID_EXPIRY_MISSING'
  | 'ERR_JWT_SVID_SUBJECT_INVALID'
  | 'ERR_JWT_SVID_CLAIM_INVALID'
  | 'ERR_JWT_SVID_BUNDLE_NOT_FOUND'
  | 'ERR_JWT_SVID_AUTHORITY_NOT_FOUND'
  | 'ERR_JWT_SVID_SIGNATURE'
  | 'ERR_JWT_SVID_AUDIENCE'
  | 'ERR_JWT_SVID_NOT_YET_VALID'
  | 'ERR_JWT_SVID_EXPIRED'
  | 'ERR_JWT_SVID_ISSUED_IN_FUTURE'

const kinds: Record<JwtSvidErrorCode, ErrorKind> = {
  ERR_JWT_SVID_MALFORMED: 'invalid-argument',
  ERR_JWT_SVID_HEADER: 'invalid-argument',
  ERR_JWT_SVID_KEY_ID_MISSING: 'invalid-argument',
  ERR_JWT_SVID_SUBJECT_MISSING: 'invalid-argument',
  ERR_JWT_SVID_EXPIRY_MISSING: 'invalid-argument',
  ERR_JWT_SVID_SUBJECT_INVALID: 'invalid-argument',
  ERR_JWT_SVID_CLAIM_INVALID: 'invalid-argument',
  ERR_JWT_SVID_BUNDLE_NOT_FOUND: 'unauthenticated',
  ERR_JWT_SVID_AUTHORITY_NOT_FOUND: 'unauthenticated',
  ERR_JWT_SVID_SIGNATURE: 'unauthenticated',
  ERR_JWT_SVID_AUDIENCE: 'unauthenticated',
  ERR_JWT_SVID_NOT_YET_VALID: 'unauthenticated',
  ERR_JWT_SVID_EXPIRED: 'unauthenticated',
  ERR_JWT_SVID_ISSUED_IN_FUTURE: 'unauthenticated',
}

/** A token that is no JWT-SVID, or one that may not be trusted. The token is never in the message. */
export class JwtSvidError extends SpiffeError<JwtSvidErrorCode> {
  override get kind(): ErrorKind {
    return kinds[this.code]
  }
}
