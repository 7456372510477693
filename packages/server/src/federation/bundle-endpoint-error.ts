import { type ErrorKind, SpiffeError } from '@mini-spire/sdk/errors'

export type BundleEndpointErrorCode =
  | 'ERR_BUNDLE_ENDPOINT_NOT_TRUSTED'
  | 'ERR_BUNDLE_ENDPOINT_FAILED'
  | 'ERR_BUNDLE_ENDPOINT_STATUS'
  | 'ERR_BUNDLE_ENDPOINT_DOCUMENT'
  | 'ERR_BUNDLE_ENDPOINT_REWOUND'
  | 'ERR_BUNDLE_ENDPOINT_FOREIGN_KEY'
  | 'ERR_BUNDLE_ENDPOINT_NOT_STORED'

const kinds: Record<BundleEndpointErrorCode, ErrorKind> = {
  ERR_BUNDLE_ENDPOINT_NOT_TRUSTED: 'failed-precondition',
  ERR_BUNDLE_ENDPOINT_FAILED: 'unavailable',
  ERR_BUNDLE_ENDPOINT_STATUS: 'unavailable',
  ERR_BUNDLE_ENDPOINT_DOCUMENT: 'invalid-argument',
  ERR_BUNDLE_ENDPOINT_REWOUND: 'failed-precondition',
  ERR_BUNDLE_ENDPOINT_FOREIGN_KEY: 'permission-denied',
  ERR_BUNDLE_ENDPOINT_NOT_STORED: 'internal',
}

/**
 * The bundle of another trust domain could not be had from its endpoint, or was refused; the one that is stored stays. Nothing
 * of what the endpoint answered is in the message.
 */
export class BundleEndpointError extends SpiffeError<BundleEndpointErrorCode> {
  override get kind(): ErrorKind {
    return kinds[this.code]
  }
}
