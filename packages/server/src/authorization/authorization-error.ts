import { type ErrorKind, SpiffeError } from '@mini-spire/sdk/errors'

export type AuthorizationErrorCode =
  | 'ERR_METHOD_WITHOUT_POLICY'
  | 'ERR_CALLER_MALFORMED'
  | 'ERR_POLICY_UNUSABLE'
  | 'ERR_POLICY_EVALUATION'

const kinds: Record<AuthorizationErrorCode, ErrorKind> = {
  ERR_METHOD_WITHOUT_POLICY: 'internal',
  ERR_CALLER_MALFORMED: 'unauthenticated',
  ERR_POLICY_UNUSABLE: 'failed-precondition',
  ERR_POLICY_EVALUATION: 'unknown',
}

/** A method that nobody decided about, a caller that cannot be one, or a policy that cannot decide. */
export class AuthorizationError extends SpiffeError<AuthorizationErrorCode> {
  override get kind(): ErrorKind {
    return kinds[this.code]
  }
}
