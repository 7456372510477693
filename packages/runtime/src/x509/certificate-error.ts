import { type ErrorKind, SpiffeError } from '@mini-spire/sdk/errors'

export type CertificateErrorCode =
  | 'ERR_DER_MALFORMED'
  | 'ERR_CSR_MALFORMED'
  | 'ERR_PUBLIC_KEY_REFUSED'
  | 'ERR_CSR_SIGNATURE'
  | 'ERR_PUBLIC_KEY_MALFORMED'

const kinds: Record<CertificateErrorCode, ErrorKind> = {
  ERR_DER_MALFORMED: 'invalid-argument',
  ERR_CSR_MALFORMED: 'invalid-argument',
  ERR_PUBLIC_KEY_REFUSED: 'invalid-argument',
  ERR_CSR_SIGNATURE: 'invalid-argument',
  ERR_PUBLIC_KEY_MALFORMED: 'invalid-argument',
}

/** A signing request, public key or name that cannot be used to make a certificate. */
export class CertificateError extends SpiffeError<CertificateErrorCode> {
  override get kind(): ErrorKind {
    return kinds[this.code]
  }
}
