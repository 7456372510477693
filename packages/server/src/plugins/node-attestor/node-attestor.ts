/** What an attestor may know and do while it attests one node. */
export interface NodeAttestationContext {
  /** Sends a challenge to the agent and resolves to its answer. */
  challenge(challenge: Uint8Array): Promise<Uint8Array>
  /** IP address of the TCP peer, `''` when there is none. */
  readonly clientIp: string
  /** The `:authority` that the client sent. Not authenticated: never decide by it. */
  readonly untrustedHost: string
  /** Whether an agent of this ID has been attested already. */
  isAttested(agentId: string): boolean
  /** Aborts when the agent has gone. */
  readonly signal: AbortSignal
}

/** What an attestor found out. The caller checks the ID, and gives each selector the attestor's name as its type. */
export interface NodeAttestation {
  /** SPIFFE ID of the agent, as text: not checked yet. */
  readonly agentId: string
  readonly selectorValues: readonly string[]
  /** Whether the same node may attest again without an operator's help; such an agent cannot renew. */
  readonly canReattest: boolean
  /** Whether the evidence counts once: an agent that is attested already is refused, however many ask at once. */
  readonly isTrustedOnFirstUse?: boolean
}

/**
 * Proves which node an agent runs on. Implementations stand one folder down, one folder each.
 *
 * What was verified is what is used: an attestor reads the agent ID and selectors only from bytes whose signature it has
 * checked. It bounds what it parses before it does any cryptography, for anybody may call it.
 */
export interface NodeAttestor {
  /** The name by which agents ask for it, such as `x509pop`. */
  readonly name: string
  /**
   * @throws {NodeAttestorError} `ERR_NODE_EVIDENCE_MALFORMED`, `ERR_NODE_EVIDENCE_REFUSED`, `ERR_NODE_ATTESTOR_FAILED`
   */
  attest(payload: Uint8Array, context: NodeAttestationContext): Promise<NodeAttestation>
}
