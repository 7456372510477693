import { type ErrorKind, SpiffeError } from '@mini-spire/sdk/errors'
import type { ErrorCode } from './protocol.ts'

export type Http2ErrorCode = 'ERR_HTTP2_CONNECTION'

/** What a peer sent breaks the protocol so that its connection cannot go on (RFC 9113, 5.4.1). */
export class Http2Error extends SpiffeError<Http2ErrorCode> {
  /** What the peer is told. */
  readonly reason: ErrorCode

  constructor(reason: ErrorCode, message: string) {
    super('ERR_HTTP2_CONNECTION', message)
    this.reason = reason
  }

  override get kind(): ErrorKind {
    return 'invalid-argument'
  }
}
