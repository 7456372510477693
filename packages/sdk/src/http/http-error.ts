import { type ErrorKind, SpiffeError } from '../errors.ts'

export type HttpErrorCode =
  | 'ERR_HTTP_URL'
  | 'ERR_HTTP_PROXY'
  | 'ERR_HTTP_UNREACHABLE'
  | 'ERR_HTTP_SERVER_REFUSED'
  | 'ERR_HTTP_ADDRESS_REFUSED'
  | 'ERR_HTTP_REDIRECT'
  | 'ERR_HTTP_TIMEOUT'
  | 'ERR_HTTP_TOO_LARGE'

const kinds: Record<HttpErrorCode, ErrorKind> = {
  ERR_HTTP_URL: 'invalid-argument',
  ERR_HTTP_PROXY: 'failed-precondition',
  ERR_HTTP_UNREACHABLE: 'unavailable',
  ERR_HTTP_SERVER_REFUSED: 'unavailable',
  ERR_HTTP_ADDRESS_REFUSED: 'permission-denied',
  ERR_HTTP_REDIRECT: 'failed-precondition',
  ERR_HTTP_TIMEOUT: 'deadline-exceeded',
  ERR_HTTP_TOO_LARGE: 'resource-exhausted',
}

/**
 * An HTTP request that got no answer we would read. An answer with any status is not an error here. Nothing of a body is
 * in the message, nor of a header.
 */
export class HttpError extends SpiffeError<HttpErrorCode> {
  override get kind(): ErrorKind {
    return kinds[this.code]
  }
}
