import { type ErrorKind, SpiffeError } from '@mini-spire/sdk/errors'

export type NodeAttestorErrorCode =
  | 'ERR_NODE_ATTESTOR_CONFIG'
  | 'ERR_NODE_ATTESTOR_CREDENTIAL'
  | 'ERR_NODE_ATTESTOR_CHALLENGE'
  | 'ERR_NODE_ATTESTOR_TOKEN'

const kinds: Record<NodeAttestorErrorCode, ErrorKind> = {
  ERR_NODE_ATTESTOR_CONFIG: 'invalid-argument',
  ERR_NODE_ATTESTOR_CREDENTIAL: 'internal',
  ERR_NODE_ATTESTOR_CHALLENGE: 'internal',
  ERR_NODE_ATTESTOR_TOKEN: 'invalid-argument',
}

/** A node attestor that cannot begin or cannot answer. The message begins with `nodeattestor(<name>): `. */
export class NodeAttestorError extends SpiffeError<NodeAttestorErrorCode> {
  override get kind(): ErrorKind {
    return kinds[this.code]
  }

  constructor(
    attestor: string,
    code: NodeAttestorErrorCode,
    message: string,
    options?: { readonly cause?: unknown },
  ) {
    super(code, `nodeattestor(${attestor}): ${message}`, options)
  }
}
