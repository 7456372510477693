/** What an attestor may use while it attests. */
export interface NodeAttestorCall {
  readonly signal: AbortSignal
}

/**
 * The agent's half of a node attestation: the payload, then one answer per challenge.
 *
 * One conversation attests once. Answers must not be empty: no server takes them.
 */
export interface NodeAttestation {
  /** What the server is shown first. Never logged. */
  readonly payload: Uint8Array
  /**
   * Answers a challenge of the server.
   *
   * @throws {NodeAttestorError} when it cannot or must not be answered
   */
  answer(challenge: Uint8Array): Promise<Uint8Array>
  /** Told when the attestation has ended, whatever came of it. Never rejects. */
  end?(): Promise<void>
}

/** A way of proving to the server which node this is. */
export interface NodeAttestor {
  /** The attestation type on the wire, such as `x509pop`. */
  readonly name: string
  /**
   * Begins to attest.
   *
   * @throws {NodeAttestorError} when what it needs is missing or unreadable
   */
  begin(call: NodeAttestorCall): Promise<NodeAttestation>
}
