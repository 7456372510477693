import type { SpiffeId } from '@mini-spire/sdk/spiffe-id'

/** A certificate for an agent, with what the node's record needs of it. */
export interface AgentSvid {
  /** DER, leaf first, then intermediates; never the root. */
  readonly chain: readonly Uint8Array[]
  readonly spiffeId: SpiffeId
  /** NotAfter of the leaf, Unix seconds. */
  readonly expiresAtSeconds: number
  /** Decimal. */
  readonly serialNumber: string
}

/** Signs an agent's X509-SVID. Of the CSR nothing but the public key is used. */
export interface AgentSvidSigner {
  issueAgentSvid(request: {
    readonly spiffeId: SpiffeId
    /** PKCS#10, DER. */
    readonly csr: Uint8Array
    /** Who asks: the agent itself on renewal, empty before it has an identity. */
    readonly requester: string
  }): Promise<AgentSvid>
}
