import { type ErrorKind, SpiffeError } from '@mini-spire/sdk/errors'

export type NodeAttestationErrorCode =
  | 'ERR_BOOTSTRAP_BUNDLE'
  | 'ERR_AGENT_SVID'
  | 'ERR_AGENT_KEY'
  | 'ERR_NOT_REATTESTABLE'

const kinds: Record<NodeAttestationErrorCode, ErrorKind> = {
  ERR_BOOTSTRAP_BUNDLE: 'unavailable',
  ERR_AGENT_SVID: 'internal',
  ERR_AGENT_KEY: 'internal',
  ERR_NOT_REATTESTABLE: 'failed-precondition',
}

/** An agent that cannot get, or keep, its own identity. */
export class NodeAttestationError extends SpiffeError<NodeAttestationErrorCode> {
  override get kind(): ErrorKind {
    return kinds[this.code]
  }
}
