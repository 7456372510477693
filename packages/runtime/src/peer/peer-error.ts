import { type ErrorKind, SpiffeError } from '@mini-spire/sdk/errors'

export type PeerErrorCode =
  | 'ERR_PEER_UNIDENTIFIED'
  | 'ERR_PEER_GONE'
  | 'ERR_PEER_CHANGED'
  | 'ERR_PEER_UNSUPPORTED'

const kinds: Record<PeerErrorCode, ErrorKind> = {
  ERR_PEER_UNIDENTIFIED: 'unauthenticated',
  ERR_PEER_GONE: 'unauthenticated',
  ERR_PEER_CHANGED: 'unauthenticated',
  ERR_PEER_UNSUPPORTED: 'internal',
}

/** The process at the other end of a Unix socket cannot be named, or is no longer the one that connected. */
export class PeerError extends SpiffeError<PeerErrorCode> {
  override get kind(): ErrorKind {
    return kinds[this.code]
  }
}
