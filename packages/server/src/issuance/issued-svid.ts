import type { SpiffeId } from '@mini-spire/sdk/spiffe-id'
import type { RegistrationEntry } from '../model/registration-entry.ts'
import type { WitConfirmation } from './wit-confirmation.ts'

/** A certificate that was signed, with what answers and logs need of it. */
export interface IssuedX509Svid {
  /** DER, leaf first, then intermediates; never the root. */
  readonly chain: readonly Uint8Array[]
  readonly spiffeId: SpiffeId
  /** NotAfter of the leaf, Unix seconds. */
  readonly expiresAtSeconds: number
  /** Decimal, as agents are known by. */
  readonly serialNumber: string
}

/** A token that was signed. */
export interface IssuedJwtSvid {
  readonly token: string
  readonly spiffeId: SpiffeId
  readonly issuedAtSeconds: number
  readonly expiresAtSeconds: number
}

/** A WIT-SVID for a key, of which the caller has shown nothing: the token is of use only to who holds it. */
export interface WitSvidRequest {
  readonly spiffeId: SpiffeId
  readonly confirmation: WitConfirmation
  /** 0 or less: one hour. */
  readonly ttlSeconds: number
  /** Empty: none. */
  readonly entryId: string
  readonly requester: string
}

/** A CA certificate for a downstream server of the same trust domain. */
export interface IssuedDownstreamCa {
  /** DER: the new CA, then this server's own upstream chain; never the root. */
  readonly chain: readonly Uint8Array[]
  readonly expiresAtSeconds: number
}

/** A workload's X509-SVID by entry. Of the CSR nothing but the public key is used. */
export interface X509SvidRequest {
  readonly entry: RegistrationEntry
  /** PKCS#10, DER. */
  readonly csr: Uint8Array
  /** SPIFFE ID of the agent that asks; for the issuance log. */
  readonly requester: string
}

/** An agent's X509-SVID, at attestation or renewal. Of the CSR nothing but the public key is used. */
export interface AgentSvidRequest {
  readonly spiffeId: SpiffeId
  readonly csr: Uint8Array
  /** Who asks: the agent itself on renewal, empty before it has an identity. */
  readonly requester: string
}

/** The one request in which the CSR says what is signed: an operator's. */
export interface MintX509SvidRequest {
  readonly csr: Uint8Array
  /** 0 or less: the server's default. */
  readonly ttlSeconds: number
  /** `uid:<n>` or an admin's SPIFFE ID. */
  readonly requester: string
}

/** A workload's JWT-SVID by entry. */
export interface JwtSvidRequest {
  readonly entry: RegistrationEntry
  readonly audience: readonly string[]
  readonly requester: string
}

/** A JWT-SVID at an operator's request. */
export interface MintJwtSvidRequest {
  readonly spiffeId: SpiffeId
  readonly audience: readonly string[]
  /** 0 or less: the server's default. */
  readonly ttlSeconds: number
  readonly requester: string
}

/** An intermediate CA for a downstream server. Of the CSR nothing but the public key is used. */
export interface DownstreamCaRequest {
  readonly csr: Uint8Array
  /** 0 or less: the server's `ca_ttl`. */
  readonly ttlSeconds: number
  readonly requester: string
}
