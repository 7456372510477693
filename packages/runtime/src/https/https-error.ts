import { type ErrorKind, SpiffeError } from '@mini-spire/sdk/errors'

export type HttpsErrorCode = 'ERR_HTTPS_CERTIFICATE' | 'ERR_HTTPS_ACME'

const kinds: Record<HttpsErrorCode, ErrorKind> = {
  ERR_HTTPS_CERTIFICATE: 'failed-precondition',
  ERR_HTTPS_ACME: 'unavailable',
}

/** A certificate for an HTTPS listener cannot be had. */
export class HttpsError extends SpiffeError<HttpsErrorCode> {
  override get kind(): ErrorKind {
    return kinds[this.code]
  }
}
