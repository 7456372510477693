import { type ErrorKind, SpiffeError } from '@mini-spire/sdk/errors'

export type RelationshipErrorCode =
  | 'ERR_FEDERATION_RELATIONSHIP_EXISTS'
  | 'ERR_FEDERATION_RELATIONSHIP_NOT_FOUND'
  | 'ERR_FEDERATION_RELATIONSHIP_NOT_STORED'

const kinds: Record<RelationshipErrorCode, ErrorKind> = {
  ERR_FEDERATION_RELATIONSHIP_EXISTS: 'already-exists',
  ERR_FEDERATION_RELATIONSHIP_NOT_FOUND: 'not-found',
  ERR_FEDERATION_RELATIONSHIP_NOT_STORED: 'internal',
}

/** A federation relationship that cannot be stored, changed or removed as asked. */
export class RelationshipError extends SpiffeError<RelationshipErrorCode> {
  override get kind(): ErrorKind {
    return kinds[this.code]
  }
}
