import { type ErrorKind, SpiffeError } from '@mini-spire/sdk/errors'

export type ExchangeErrorCode =
  | 'ERR_EXCHANGE_TOKEN_MALFORMED'
  | 'ERR_EXCHANGE_TOKEN_ISSUER'
  | 'ERR_EXCHANGE_TOKEN_KEY'
  | 'ERR_EXCHANGE_TOKEN_SIGNATURE'
  | 'ERR_EXCHANGE_TOKEN_AUDIENCE'
  | 'ERR_EXCHANGE_TOKEN_TIMES'
  | 'ERR_EXCHANGE_TOKEN_RULES'
  | 'ERR_EXCHANGE_TOKEN_USED'
  | 'ERR_EXCHANGE_KEYS_UNAVAILABLE'
  | 'ERR_EXCHANGE_NO_ENTRY'
  | 'ERR_EXCHANGE_AMBIGUOUS'
  | 'ERR_EXCHANGE_TARGET'
  | 'ERR_EXCHANGE_DENIED'
  | 'ERR_EXCHANGE_NOT_STORED'

const kinds: Record<ExchangeErrorCode, ErrorKind> = {
  ERR_EXCHANGE_TOKEN_MALFORMED: 'invalid-argument',
  ERR_EXCHANGE_TOKEN_ISSUER: 'unauthenticated',
  ERR_EXCHANGE_TOKEN_KEY: 'unauthenticated',
  ERR_EXCHANGE_TOKEN_SIGNATURE: 'unauthenticated',
  ERR_EXCHANGE_TOKEN_AUDIENCE: 'unauthenticated',
  ERR_EXCHANGE_TOKEN_TIMES: 'unauthenticated',
  ERR_EXCHANGE_TOKEN_RULES: 'permission-denied',
  ERR_EXCHANGE_TOKEN_USED: 'permission-denied',
  ERR_EXCHANGE_KEYS_UNAVAILABLE: 'unavailable',
  ERR_EXCHANGE_NO_ENTRY: 'permission-denied',
  ERR_EXCHANGE_AMBIGUOUS: 'permission-denied',
  ERR_EXCHANGE_TARGET: 'invalid-argument',
  ERR_EXCHANGE_DENIED: 'permission-denied',
  ERR_EXCHANGE_NOT_STORED: 'unavailable',
}

/** A token that is not exchanged for an identity. Nothing of the token is in the message. */
export class ExchangeError extends SpiffeError<ExchangeErrorCode> {
  override get kind(): ErrorKind {
    return kinds[this.code]
  }
}
