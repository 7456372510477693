import { type ErrorKind, SpiffeError } from '../errors.ts'

export type ExchangeErrorCode =
  | 'ERR_EXCHANGE_OPTION'
  | 'ERR_EXCHANGE_SUBJECT'
  | 'ERR_EXCHANGE_UNAVAILABLE'
  | 'ERR_EXCHANGE_REFUSED'
  | 'ERR_EXCHANGE_ANSWER'
  | 'ERR_EXCHANGE_EXPIRED'
  | 'ERR_EXCHANGE_CLOSED'
  | 'ERR_EXCHANGE_PACKAGE_MISSING'

const kinds: Record<ExchangeErrorCode, ErrorKind> = {
  ERR_EXCHANGE_OPTION: 'invalid-argument',
  ERR_EXCHANGE_SUBJECT: 'unavailable',
  ERR_EXCHANGE_UNAVAILABLE: 'unavailable',
  ERR_EXCHANGE_REFUSED: 'permission-denied',
  ERR_EXCHANGE_ANSWER: 'internal',
  ERR_EXCHANGE_EXPIRED: 'failed-precondition',
  ERR_EXCHANGE_CLOSED: 'failed-precondition',
  ERR_EXCHANGE_PACKAGE_MISSING: 'failed-precondition',
}

/**
 * An SVID that was not exchanged for another credential. Nothing that was sent or answered is in the message, apart from
 * the status and error codes that are known by name.
 */
export class ExchangeError extends SpiffeError<ExchangeErrorCode> {
  override get kind(): ErrorKind {
    return kinds[this.code]
  }
}
