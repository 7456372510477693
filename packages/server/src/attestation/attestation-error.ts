import { type ErrorKind, SpiffeError } from '@mini-spire/sdk/errors'

export type AttestationErrorCode =
  | 'ERR_AGENT_NOT_FOUND'
  | 'ERR_AGENT_BANNED'
  | 'ERR_AGENT_ID_REFUSED'
  | 'ERR_AGENT_MUST_REATTEST'
  | 'ERR_AGENT_VERSION_TOO_LONG'
  | 'ERR_AGENT_NOT_STORED'
  | 'ERR_JOIN_TOKEN_REFUSED'
  | 'ERR_JOIN_TOKEN_TTL'
  | 'ERR_JOIN_TOKEN_NOT_STORED'
  | 'ERR_NODE_ATTESTOR_UNKNOWN'
  | 'ERR_NODE_CHALLENGE_FAILED'

const kinds: Record<AttestationErrorCode, ErrorKind> = {
  ERR_AGENT_NOT_FOUND: 'not-found',
  ERR_AGENT_BANNED: 'permission-denied',
  ERR_AGENT_ID_REFUSED: 'internal',
  ERR_AGENT_MUST_REATTEST: 'permission-denied',
  ERR_AGENT_VERSION_TOO_LONG: 'invalid-argument',
  ERR_AGENT_NOT_STORED: 'internal',
  ERR_JOIN_TOKEN_REFUSED: 'invalid-argument',
  ERR_JOIN_TOKEN_TTL: 'invalid-argument',
  ERR_JOIN_TOKEN_NOT_STORED: 'internal',
  ERR_NODE_ATTESTOR_UNKNOWN: 'failed-precondition',
  ERR_NODE_CHALLENGE_FAILED: 'internal',
}

/** A node that gets no identity, or an operation on an agent that does not happen. The messages are those that callers see. */
export class AttestationError extends SpiffeError<AttestationErrorCode> {
  override get kind(): ErrorKind {
    return kinds[this.code]
  }
}

/** What a node attestor said no with: its own kind, and its own message behind its name. */
export class NodeRefusedError extends SpiffeError<'ERR_NODE_REFUSED'> {
  readonly #kind: ErrorKind

  constructor(kind: ErrorKind, message: string, options?: { readonly cause?: unknown }) {
    super('ERR_NODE_REFUSED', message, options)
    this.#kind = kind
  }

  override get kind(): ErrorKind {
    return this.#kind
  }
}
