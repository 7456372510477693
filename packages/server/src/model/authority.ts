/** Life of an authority slot, with the numbers its journal stores. */
export const AuthorityStatus = { Unknown: 0, Prepared: 2, Active: 3, Old: 4 } as const
export type AuthorityStatus = (typeof AuthorityStatus)[keyof typeof AuthorityStatus]

export type SlotId = 'A' | 'B'

/** An X.509 authority as the journal keeps it; the private key stays in the key manager. */
export interface X509AuthorityRecord {
  readonly slotId: SlotId
  readonly issuedAtSeconds: number
  readonly notAfterSeconds: number
  /** DER. */
  readonly certificate: Uint8Array
  /** DER, empty when self-signed. */
  readonly upstreamChain: readonly Uint8Array[]
  readonly status: AuthorityStatus
  /** Lower-case hex of the subject key identifier. */
  readonly authorityId: string
  readonly upstreamAuthorityId: string
}

/** A JWT or WIT authority as the journal keeps it; the private key stays in the key manager. */
export interface JwtAuthorityRecord {
  readonly slotId: SlotId
  readonly issuedAtSeconds: number
  readonly notAfterSeconds: number
  readonly keyId: string
  /** SubjectPublicKeyInfo, DER. */
  readonly publicKey: Uint8Array
  readonly status: AuthorityStatus
}

/** What one server remembers of its authorities across restarts. At most ten records a kind, oldest dropped. */
export interface CaJournal {
  /** Subject key identifier (hex) of the active X.509 authority; how a starting server finds its own journal. */
  readonly id: string
  readonly activeX509AuthorityId: string
  readonly x509Authorities: readonly X509AuthorityRecord[]
  readonly jwtAuthorities: readonly JwtAuthorityRecord[]
  /** Left out when there are none. */
  readonly witAuthorities?: readonly JwtAuthorityRecord[]
}
