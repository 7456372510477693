import { type ErrorKind, SpiffeError } from '@mini-spire/sdk/errors'

export type AuthorizationErrorCode = 'ERR_METHOD_WITHOUT_POLICY' | 'ERR_CALLER_MALFORMED'

const kinds: Record<AuthorizationErrorCode, ErrorKind> = {
  ERR_METHOD_WITHOUT_POLICY: 'internal',
  ERR_CALLER_MALFORMED: 'unauthenticated',
}

/** A method that nobody decided about, or a caller that cannot be one. */
export class AuthorizationError extends SpiffeError<AuthorizationErrorCode> {
  override get kind(): ErrorKind {
    return kinds[this.code]
  }
}
