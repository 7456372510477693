import type { SpiffeId, TrustDomain } from '@mini-spire/sdk/spiffe-id'
import type { Selector } from './selector.ts'

/**
 * Which workloads (by selectors) on which parent get which SPIFFE ID.
 *
 * Instants are whole Unix seconds here, not `Date`: a server holds a million of these, and the wire speaks seconds.
 */
export interface RegistrationEntry {
  readonly id: string
  readonly spiffeId: SpiffeId
  readonly parentId: SpiffeId
  /** A set, in the order it was given. */
  readonly selectors: readonly Selector[]
  /** 0: the server's default. */
  readonly x509SvidTtlSeconds: number
  /** 0: the server's default. */
  readonly jwtSvidTtlSeconds: number
  readonly federatesWith: readonly TrustDomain[]
  readonly admin: boolean
  readonly downstream: boolean
  /** 0: never. */
  readonly expiresAtSeconds: number
  readonly dnsNames: readonly string[]
  readonly revisionNumber: number
  readonly storeSvid: boolean
  readonly hint: string
  readonly createdAtSeconds: number
  readonly disableX509SvidPrefetch: boolean
  readonly jwtSvidIncludeJti: boolean
}
