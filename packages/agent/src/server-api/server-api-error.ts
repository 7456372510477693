import { type ErrorKind, SpiffeError } from '@mini-spire/sdk/errors'

export type ServerApiErrorCode = 'ERR_SERVER_ANSWER' | 'ERR_SERVER_IDENTITY' | 'ERR_SERVER_CALL'

const kinds: Record<ServerApiErrorCode, ErrorKind> = {
  ERR_SERVER_ANSWER: 'internal',
  ERR_SERVER_IDENTITY: 'unavailable',
  ERR_SERVER_CALL: 'unavailable',
}

/** An answer of the server that cannot be used, or a peer that is not the server. */
export class ServerApiError extends SpiffeError<ServerApiErrorCode> {
  override get kind(): ErrorKind {
    return kinds[this.code]
  }
}
