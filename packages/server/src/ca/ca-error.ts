import { type ErrorKind, SpiffeError } from '@mini-spire/sdk/errors'

export type CaErrorCode =
  | 'ERR_X509_CA_UNAVAILABLE'
  | 'ERR_JWT_KEY_UNAVAILABLE'
  | 'ERR_CERTIFICATE_INVALID'
  | 'ERR_JWT_SVID_INVALID'
  | 'ERR_JWT_DISABLED'
  | 'ERR_AUTHORITY_UNEXPECTED'
  | 'ERR_AUTHORITY_STATUS'
  | 'ERR_JOURNAL_ENTRY_NOT_FOUND'

const kinds: Record<CaErrorCode, ErrorKind> = {
  ERR_X509_CA_UNAVAILABLE: 'unavailable',
  ERR_JWT_KEY_UNAVAILABLE: 'unavailable',
  ERR_CERTIFICATE_INVALID: 'internal',
  ERR_JWT_SVID_INVALID: 'internal',
  ERR_JWT_DISABLED: 'unimplemented',
  ERR_AUTHORITY_UNEXPECTED: 'invalid-argument',
  ERR_AUTHORITY_STATUS: 'internal',
  ERR_JOURNAL_ENTRY_NOT_FOUND: 'internal',
}

/** Something that is not signed, or an authority that does not change its state. */
export class CaError extends SpiffeError<CaErrorCode> {
  override get kind(): ErrorKind {
    return kinds[this.code]
  }
}
