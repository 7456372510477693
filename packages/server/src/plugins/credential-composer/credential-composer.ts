import type { X509Extension } from '@mini-spire/runtime/x509/extensions'
import type { DistinguishedName } from '@mini-spire/runtime/x509/name'
import type { SpiffeId } from '@mini-spire/sdk/spiffe-id'

/** What a composer can change of a CA certificate. */
export interface X509CaAttributes {
  readonly subject: DistinguishedName
  /** Dotted OIDs; lost in a request to an upstream authority, which has no place for them. */
  readonly policyIdentifiers: readonly string[]
  /** Written as they are; one takes the place of a usual one with the same OID. */
  readonly extraExtensions: readonly X509Extension[]
}

/** What a composer can change of an X509-SVID. Its SPIFFE ID is not among it. */
export interface X509SvidAttributes {
  readonly subject: DistinguishedName
  readonly dnsNames: readonly string[]
  readonly extraExtensions: readonly X509Extension[]
}

/** Claims of a JWT-SVID, as JSON has them. */
export type JwtSvidClaims = Readonly<Record<string, unknown>>

/** Whom an X509-SVID is for. */
export interface ComposedIdentity {
  readonly spiffeId: SpiffeId
  /** SubjectPublicKeyInfo, DER. */
  readonly publicKey: Uint8Array
}

/**
 * Changes what credentials say before they are signed. Implementations stand one folder down, one folder each.
 *
 * Composers are asked in the order of the configuration, each with what the one before it made. What comes out is checked
 * again after signing: no composer can change the SPIFFE ID, make a CA of a leaf, or sign what is expired. A hook that is
 * left out changes nothing; one that throws fails the signing.
 */
export interface CredentialComposer {
  /** Its name in the configuration, such as `uniqueid`. */
  readonly name: string
  /** Root, request to the upstream authority, downstream CA. */
  composeServerX509Ca?(attributes: X509CaAttributes): Promise<X509CaAttributes>
  composeServerX509Svid?(attributes: X509SvidAttributes): Promise<X509SvidAttributes>
  composeAgentX509Svid?(
    agent: ComposedIdentity,
    attributes: X509SvidAttributes,
  ): Promise<X509SvidAttributes>
  composeWorkloadX509Svid?(
    workload: ComposedIdentity,
    attributes: X509SvidAttributes,
  ): Promise<X509SvidAttributes>
  composeWorkloadJwtSvid?(
    workload: { readonly spiffeId: SpiffeId },
    claims: JwtSvidClaims,
  ): Promise<JwtSvidClaims>
}
