import type { Clock } from '@mini-spire/runtime/clock'
import type { SerialNumbers } from '@mini-spire/runtime/x509/serial-number'
import type { TrustDomain } from '@mini-spire/sdk/spiffe-id'
import type { CredentialComposers } from '../ca/credential-composers.ts'
import type { JwtKey } from '../ca/jwt-key.ts'
import type { X509Ca } from '../ca/x509-ca.ts'
import type { IssuanceLog } from '../store/store.ts'

/** What signs: the authority manager. */
export interface ActiveAuthorities {
  x509(): X509Ca
  jwt(): JwtKey
  readonly isJwtDisabled: boolean
  wit(): JwtKey
  readonly isWitDisabled: boolean
}

/** How long what is issued lives when nobody says otherwise. */
export interface DefaultTtls {
  readonly x509SvidTtlSeconds: number
  readonly jwtSvidTtlSeconds: number
  readonly agentSvidTtlSeconds: number
  readonly caTtlSeconds: number
}

/** Kinds of documents that are counted, each when it was signed. */
export type SignedKind = 'x509_svid' | 'x509_ca_svid' | 'jwt_svid'

/** Options of the issuer. */
export interface IssuerOptions {
  readonly trustDomain: TrustDomain
  readonly authorities: ActiveAuthorities
  readonly issuanceLog: Pick<IssuanceLog, 'append'>
  readonly clock: Clock
  readonly ttls: DefaultTtls
  /** `jwt_issuer`; empty: tokens have no `iss`. */
  readonly jwtIssuer: string
  /** `experimental.wit_issuer`. @default WIT-SVIDs have no `iss` */
  readonly witIssuer?: string
  /** Change what credentials say. @default nobody does */
  readonly composers?: CredentialComposers
  /** Counts what was signed. */
  readonly onSigned?: (kind: SignedKind) => void
  /** @default the system's randomness */
  readonly serialNumbers?: SerialNumbers
  /** Draws a `jti`; @default base64url of a random UUID */
  readonly newTokenId?: () => string
}

/** A TTL, or the default when none is asked for. */
export function orDefault(ttlSeconds: number, defaultSeconds: number): number {
  return ttlSeconds > 0 ? ttlSeconds : defaultSeconds
}
