import { type ErrorKind, SpiffeError } from '@mini-spire/sdk/errors'

export type KeyManagerErrorCode =
  | 'ERR_KEY_NOT_FOUND'
  | 'ERR_KEY_ID_MISSING'
  | 'ERR_KEY_REPLACED'
  | 'ERR_KEY_FILE_CORRUPT'
  | 'ERR_KEY_FILE_UNUSABLE'

const kinds: Record<KeyManagerErrorCode, ErrorKind> = {
  ERR_KEY_NOT_FOUND: 'not-found',
  ERR_KEY_ID_MISSING: 'invalid-argument',
  ERR_KEY_REPLACED: 'failed-precondition',
  ERR_KEY_FILE_CORRUPT: 'internal',
  ERR_KEY_FILE_UNUSABLE: 'internal',
}

/** A key that is not there, may no longer sign, or cannot be kept. */
export class KeyManagerError extends SpiffeError<KeyManagerErrorCode> {
  override get kind(): ErrorKind {
    return kinds[this.code]
  }
}
