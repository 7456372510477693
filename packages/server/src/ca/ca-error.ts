import { type ErrorKind, SpiffeError } from '@mini-spire/sdk/errors'

export type CaErrorCode =
  | 'ERR_X509_CA_UNAVAILABLE'
  | 'ERR_JWT_KEY_UNAVAILABLE'
  | 'ERR_WIT_KEY_UNAVAILABLE'
  | 'ERR_CERTIFICATE_INVALID'
  | 'ERR_JWT_SVID_INVALID'
  | 'ERR_JWT_DISABLED'
  | 'ERR_SERVER_INITIALIZING'
  | 'ERR_AUTHORITY_ID_MISSING'
  | 'ERR_AUTHORITY_CURRENT'
  | 'ERR_AUTHORITY_NOT_OLD'
  | 'ERR_AUTHORITY_UNEXPECTED'
  | 'ERR_AUTHORITY_UNKNOWN'
  | 'ERR_AUTHORITY_STATUS'
  | 'ERR_UPSTREAM_AUTHORITY'
  | 'ERR_NO_UPSTREAM_AUTHORITY'
  | 'ERR_COMPOSER_FAILED'
  | 'ERR_UPSTREAM_CA_INVALID'
  | 'ERR_UPSTREAM_CALL'
  | 'ERR_UPSTREAM_TIMEOUT'
  | 'ERR_JOURNAL_ENTRY_NOT_FOUND'

const kinds: Record<CaErrorCode, ErrorKind> = {
  ERR_X509_CA_UNAVAILABLE: 'unavailable',
  ERR_JWT_KEY_UNAVAILABLE: 'unavailable',
  ERR_WIT_KEY_UNAVAILABLE: 'unavailable',
  ERR_CERTIFICATE_INVALID: 'internal',
  ERR_JWT_SVID_INVALID: 'internal',
  ERR_JWT_DISABLED: 'unimplemented',
  ERR_SERVER_INITIALIZING: 'unavailable',
  ERR_AUTHORITY_ID_MISSING: 'invalid-argument',
  ERR_AUTHORITY_CURRENT: 'invalid-argument',
  ERR_AUTHORITY_NOT_OLD: 'invalid-argument',
  ERR_AUTHORITY_UNEXPECTED: 'invalid-argument',
  ERR_AUTHORITY_UNKNOWN: 'invalid-argument',
  ERR_UPSTREAM_AUTHORITY: 'failed-precondition',
  ERR_NO_UPSTREAM_AUTHORITY: 'failed-precondition',
  ERR_COMPOSER_FAILED: 'internal',
  ERR_UPSTREAM_CA_INVALID: 'invalid-argument',
  ERR_UPSTREAM_CALL: 'internal',
  ERR_UPSTREAM_TIMEOUT: 'deadline-exceeded',
  ERR_AUTHORITY_STATUS: 'internal',
  ERR_JOURNAL_ENTRY_NOT_FOUND: 'internal',
}

/** Something that is not signed, or an authority that does not change its state. */
export class CaError extends SpiffeError<CaErrorCode> {
  override get kind(): ErrorKind {
    return kinds[this.code]
  }
}
