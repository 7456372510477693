import { type ErrorKind, SpiffeError } from '@mini-spire/sdk/errors'

export type ListenErrorCode = 'ERR_LISTEN_FAILED' | 'ERR_LISTEN_UNSAFE_DIRECTORY'

const kinds: Record<ListenErrorCode, ErrorKind> = {
  ERR_LISTEN_FAILED: 'unavailable',
  ERR_LISTEN_UNSAFE_DIRECTORY: 'failed-precondition',
}

/** A listener that could not be opened. */
export class ListenError extends SpiffeError<ListenErrorCode> {
  override get kind(): ErrorKind {
    return kinds[this.code]
  }
}
