import type { SpiffeId } from '@mini-spire/sdk/spiffe-id'

/** An X509-SVID as a store gets it. */
export interface StoredX509Svid {
  readonly spiffeId: SpiffeId
  /** DER, leaf first, root excluded. */
  readonly chain: readonly Uint8Array[]
  /** PKCS #8, DER. Never logged. */
  readonly privateKey: Uint8Array
  /** Roots of the own trust domain, DER. */
  readonly bundle: readonly Uint8Array[]
  readonly expiresAtSeconds: number
  /** Roots of the trust domains that the entry federates with, DER, by their SPIFFE IDs. */
  readonly federatedBundles: ReadonlyMap<string, readonly Uint8Array[]>
}

/** Keeps X509-SVIDs for workloads that cannot ask an agent, where they can fetch them. */
export interface SvidStore {
  /** Its name in the configuration: the type of the selectors of entries whose SVIDs it stores. */
  readonly name: string
  /**
   * Stores an SVID, in place of what is there.
   *
   * @param metadata values of the entry's selectors: where and how to store it
   */
  put(svid: StoredX509Svid, metadata: readonly string[], signal: AbortSignal): Promise<void>
  /** Removes what is stored there. @throws an error of kind `invalid-argument` when there can be nothing */
  delete(metadata: readonly string[], signal: AbortSignal): Promise<void>
}
