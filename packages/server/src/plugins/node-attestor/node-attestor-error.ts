import { type ErrorKind, SpiffeError } from '@mini-spire/sdk/errors'

export type NodeAttestorErrorCode =
  | 'ERR_NODE_ATTESTOR_CONFIG'
  | 'ERR_NODE_EVIDENCE_MALFORMED'
  | 'ERR_NODE_EVIDENCE_REFUSED'
  | 'ERR_NODE_ATTESTOR_FAILED'
  | 'ERR_NODE_NOT_FOUND'

const kinds: Record<NodeAttestorErrorCode, ErrorKind> = {
  ERR_NODE_ATTESTOR_CONFIG: 'invalid-argument',
  ERR_NODE_EVIDENCE_MALFORMED: 'invalid-argument',
  ERR_NODE_EVIDENCE_REFUSED: 'permission-denied',
  ERR_NODE_ATTESTOR_FAILED: 'internal',
  ERR_NODE_NOT_FOUND: 'not-found',
}

/**
 * A node attestor that cannot be configured, or evidence that it does not accept. The message has no plugin name in
 * front: whoever calls the attestor adds it.
 */
export class NodeAttestorError extends SpiffeError<NodeAttestorErrorCode> {
  override get kind(): ErrorKind {
    return kinds[this.code]
  }
}
