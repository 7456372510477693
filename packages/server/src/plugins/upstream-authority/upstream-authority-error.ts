import { type ErrorKind, SpiffeError } from '@mini-spire/sdk/errors'

export type UpstreamAuthorityErrorCode =
  | 'ERR_UPSTREAM_CONFIG'
  | 'ERR_UPSTREAM_CSR_REFUSED'
  | 'ERR_UPSTREAM_FAILED'
  | 'ERR_UPSTREAM_UNAVAILABLE'
  | 'ERR_UPSTREAM_UNSUPPORTED'

const kinds: Record<UpstreamAuthorityErrorCode, ErrorKind> = {
  ERR_UPSTREAM_CONFIG: 'invalid-argument',
  ERR_UPSTREAM_CSR_REFUSED: 'invalid-argument',
  ERR_UPSTREAM_FAILED: 'internal',
  ERR_UPSTREAM_UNAVAILABLE: 'unavailable',
  ERR_UPSTREAM_UNSUPPORTED: 'unimplemented',
}

/**
 * An upstream authority that cannot be configured, or does not do what it is asked. The message has no plugin name in
 * front: whoever calls the plugin adds it.
 */
export class UpstreamAuthorityError extends SpiffeError<UpstreamAuthorityErrorCode> {
  override get kind(): ErrorKind {
    return kinds[this.code]
  }
}
