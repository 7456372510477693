import { type ErrorKind, SpiffeError } from '@mini-spire/sdk/errors'

export type FederatedBundleErrorCode =
  | 'ERR_FEDERATED_BUNDLE_EXISTS'
  | 'ERR_FEDERATED_BUNDLE_NOT_FOUND'
  | 'ERR_FEDERATED_BUNDLE_IN_USE'
  | 'ERR_FEDERATED_BUNDLE_NOT_STORED'

const kinds: Record<FederatedBundleErrorCode, ErrorKind> = {
  ERR_FEDERATED_BUNDLE_EXISTS: 'already-exists',
  ERR_FEDERATED_BUNDLE_NOT_FOUND: 'not-found',
  ERR_FEDERATED_BUNDLE_IN_USE: 'failed-precondition',
  ERR_FEDERATED_BUNDLE_NOT_STORED: 'internal',
}

/** A bundle of another trust domain that cannot be stored or removed as asked. */
export class FederatedBundleError extends SpiffeError<FederatedBundleErrorCode> {
  override get kind(): ErrorKind {
    return kinds[this.code]
  }
}
