import { type ErrorKind, SpiffeError } from '@mini-spire/sdk/errors'

export type EntryErrorCode =
  | 'ERR_ENTRY_MALFORMED'
  | 'ERR_ENTRY_NOT_FOUND'
  | 'ERR_ENTRY_EXISTS'
  | 'ERR_ENTRY_BUNDLE_MISSING'
  | 'ERR_ENTRY_NOT_STORED'

const kinds: Record<EntryErrorCode, ErrorKind> = {
  ERR_ENTRY_MALFORMED: 'invalid-argument',
  ERR_ENTRY_NOT_FOUND: 'not-found',
  ERR_ENTRY_EXISTS: 'already-exists',
  ERR_ENTRY_BUNDLE_MISSING: 'internal',
  ERR_ENTRY_NOT_STORED: 'internal',
}

/** A registration entry that cannot be stored or found as asked. The messages are those that SPIRE's users see. */
export class EntryError extends SpiffeError<EntryErrorCode> {
  override get kind(): ErrorKind {
    return kinds[this.code]
  }
}
