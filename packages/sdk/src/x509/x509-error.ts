import { type ErrorKind, SpiffeError } from '../errors.ts'

export type X509ErrorCode =
  | 'ERR_DER_MALFORMED'
  | 'ERR_PEM_MALFORMED'
  | 'ERR_CERTIFICATE_MALFORMED'
  | 'ERR_PUBLIC_KEY_MALFORMED'
  | 'ERR_PUBLIC_KEY_REFUSED'
  | 'ERR_SIGNATURE_REFUSED'
  | 'ERR_CERTIFICATE_EXPIRED'
  | 'ERR_CERTIFICATE_REFUSED'
  | 'ERR_CERTIFICATE_UNTRUSTED'

const kinds: Record<X509ErrorCode, ErrorKind> = {
  ERR_DER_MALFORMED: 'invalid-argument',
  ERR_PEM_MALFORMED: 'invalid-argument',
  ERR_CERTIFICATE_MALFORMED: 'invalid-argument',
  ERR_PUBLIC_KEY_MALFORMED: 'invalid-argument',
  ERR_PUBLIC_KEY_REFUSED: 'invalid-argument',
  ERR_SIGNATURE_REFUSED: 'unauthenticated',
  ERR_CERTIFICATE_EXPIRED: 'unauthenticated',
  ERR_CERTIFICATE_REFUSED: 'unauthenticated',
  ERR_CERTIFICATE_UNTRUSTED: 'unauthenticated',
}

/** Bytes that are not a certificate or key, or a certificate that nothing trusted vouches for. */
export class X509Error extends SpiffeError<X509ErrorCode> {
  override get kind(): ErrorKind {
    return kinds[this.code]
  }
}
