import { type ErrorKind, SpiffeError } from '@mini-spire/sdk/errors'

export type StorageErrorCode = 'ERR_STATE_UNREADABLE' | 'ERR_STATE_CORRUPT' | 'ERR_STATE_UNWRITABLE'

const kinds: Record<StorageErrorCode, ErrorKind> = {
  ERR_STATE_UNREADABLE: 'internal',
  ERR_STATE_CORRUPT: 'data-loss',
  ERR_STATE_UNWRITABLE: 'internal',
}

/** An agent's state file that cannot be read or written. */
export class StorageError extends SpiffeError<StorageErrorCode> {
  override get kind(): ErrorKind {
    return kinds[this.code]
  }
}
