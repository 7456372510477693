import { type ErrorKind, SpiffeError } from '../errors.ts'

export type BundleErrorCode = 'ERR_BUNDLE_MALFORMED' | 'ERR_JSON_MALFORMED'

/** A bundle that cannot be read. */
export class BundleError extends SpiffeError<BundleErrorCode> {
  override get kind(): ErrorKind {
    return 'invalid-argument'
  }
}
