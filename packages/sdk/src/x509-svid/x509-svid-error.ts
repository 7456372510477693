import { type ErrorKind, SpiffeError } from '../errors.ts'

export type X509SvidErrorCode =
  | 'ERR_X509_SVID_MALFORMED'
  | 'ERR_X509_SVID_KEY'
  | 'ERR_X509_SVID_UNTRUSTED'
  | 'ERR_X509_SVID_EXPIRED'

const kinds: Record<X509SvidErrorCode, ErrorKind> = {
  ERR_X509_SVID_MALFORMED: 'invalid-argument',
  ERR_X509_SVID_KEY: 'invalid-argument',
  ERR_X509_SVID_UNTRUSTED: 'unauthenticated',
  ERR_X509_SVID_EXPIRED: 'unauthenticated',
}

/** A certificate chain that is no X509-SVID, or one that may not be trusted. */
export class X509SvidError extends SpiffeError<X509SvidErrorCode> {
  override get kind(): ErrorKind {
    return kinds[this.code]
  }
}
