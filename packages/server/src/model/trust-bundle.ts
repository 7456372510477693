import type { TrustDomain } from '@mini-spire/sdk/spiffe-id'

/** A root certificate of a trust domain. */
export interface X509Authority {
  /** DER of exactly one certificate. */
  readonly certificate: Uint8Array
  readonly tainted: boolean
}

/** A public key that JWT-SVIDs of a trust domain are verified with. */
export interface JwtAuthority {
  readonly keyId: string
  /** SubjectPublicKeyInfo, DER. */
  readonly publicKey: Uint8Array
  /** Unix seconds; 0: none given. */
  readonly expiresAtSeconds: number
  readonly tainted: boolean
}

/** The authorities of a trust domain, with what only the server knows of them (tainted marks). */
export interface TrustBundle {
  readonly trustDomain: TrustDomain
  readonly x509Authorities: readonly X509Authority[]
  readonly jwtAuthorities: readonly JwtAuthority[]
  /** Keys that WIT-SVIDs are verified with; left out when there are none. */
  readonly witAuthorities?: readonly JwtAuthority[]
  readonly refreshHintSeconds: number
  readonly sequenceNumber: number
}
