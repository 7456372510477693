import { type ErrorKind, SpiffeError } from '@mini-spire/sdk/errors'

export type TokenRequestErrorCode =
  | 'ERR_TOKEN_REQUEST_MALFORMED'
  | 'ERR_TOKEN_REQUEST_METHOD'
  | 'ERR_TOKEN_REQUEST_NOT_FOUND'
  | 'ERR_TOKEN_REQUEST_TOO_LARGE'
  | 'ERR_TOKEN_REQUEST_GRANT_TYPE'
  | 'ERR_TOKEN_REQUEST_TARGET'
  | 'ERR_TOKEN_REQUEST_SCOPE'

const kinds: Record<TokenRequestErrorCode, ErrorKind> = {
  ERR_TOKEN_REQUEST_MALFORMED: 'invalid-argument',
  ERR_TOKEN_REQUEST_METHOD: 'invalid-argument',
  ERR_TOKEN_REQUEST_NOT_FOUND: 'not-found',
  ERR_TOKEN_REQUEST_TOO_LARGE: 'invalid-argument',
  ERR_TOKEN_REQUEST_GRANT_TYPE: 'unimplemented',
  ERR_TOKEN_REQUEST_TARGET: 'invalid-argument',
  ERR_TOKEN_REQUEST_SCOPE: 'invalid-argument',
}

/** A request that is none for an exchange of tokens, before any token has been looked at. Its caller is told the message. */
export class TokenRequestError extends SpiffeError<TokenRequestErrorCode> {
  override get kind(): ErrorKind {
    return kinds[this.code]
  }
}
