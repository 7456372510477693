import { type ErrorKind, SpiffeError } from '@mini-spire/sdk/errors'

export type StoreErrorCode =
  | 'ERR_RECORD_EXISTS'
  | 'ERR_RECORD_NOT_FOUND'
  | 'ERR_RECORD_CHANGED'
  | 'ERR_STORE_UNAVAILABLE'
  | 'ERR_STORE_LOCKED'
  | 'ERR_STORE_VERSION'
  | 'ERR_STORE_CORRUPT'

const kinds: Record<StoreErrorCode, ErrorKind> = {
  ERR_RECORD_EXISTS: 'already-exists',
  ERR_RECORD_NOT_FOUND: 'not-found',
  ERR_RECORD_CHANGED: 'aborted',
  ERR_STORE_UNAVAILABLE: 'unavailable',
  ERR_STORE_LOCKED: 'failed-precondition',
  ERR_STORE_VERSION: 'failed-precondition',
  ERR_STORE_CORRUPT: 'data-loss',
}

/** A write that did not happen, or a store that cannot be read. */
export class StoreError extends SpiffeError<StoreErrorCode> {
  override get kind(): ErrorKind {
    return kinds[this.code]
  }
}
