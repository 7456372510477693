import { type ErrorKind, SpiffeError } from '../errors.ts'

export type TlsErrorCode = 'ERR_TLS_NO_CERTIFICATE' | 'ERR_TLS_CONNECT'

const kinds: Record<TlsErrorCode, ErrorKind> = {
  ERR_TLS_NO_CERTIFICATE: 'unauthenticated',
  ERR_TLS_CONNECT: 'unavailable',
}

/** A connection that could not be made, or whose peer showed no certificate. */
export class TlsError extends SpiffeError<TlsErrorCode> {
  override get kind(): ErrorKind {
    return kinds[this.code]
  }
}
