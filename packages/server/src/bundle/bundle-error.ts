import { type ErrorKind, SpiffeError } from '@mini-spire/sdk/errors'

export type BundleErrorCode =
  | 'ERR_BUNDLE_NOT_FOUND'
  | 'ERR_BUNDLE_CONTENDED'
  | 'ERR_BUNDLE_AUTHORITY_MALFORMED'
  | 'ERR_BUNDLE_AUTHORITY_NOT_FOUND'
  | 'ERR_BUNDLE_AUTHORITY_TAINTED'
  | 'ERR_BUNDLE_AUTHORITY_UNTAINTED'
  | 'ERR_BUNDLE_PRUNE_REFUSED'
  | 'ERR_BUNDLE_NOTIFIER_REFUSED'

const kinds: Record<BundleErrorCode, ErrorKind> = {
  ERR_BUNDLE_NOT_FOUND: 'not-found',
  ERR_BUNDLE_CONTENDED: 'aborted',
  ERR_BUNDLE_AUTHORITY_MALFORMED: 'invalid-argument',
  ERR_BUNDLE_AUTHORITY_NOT_FOUND: 'not-found',
  ERR_BUNDLE_AUTHORITY_TAINTED: 'invalid-argument',
  ERR_BUNDLE_AUTHORITY_UNTAINTED: 'invalid-argument',
  ERR_BUNDLE_PRUNE_REFUSED: 'failed-precondition',
  ERR_BUNDLE_NOTIFIER_REFUSED: 'failed-precondition',
}

/** A change of the own trust bundle that does not happen, or one that a plugin does not accept; with the texts that SPIRE's store gives. */
export class OwnBundleError extends SpiffeError<BundleErrorCode> {
  override get kind(): ErrorKind {
    return kinds[this.code]
  }
}
