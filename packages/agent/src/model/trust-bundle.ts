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
  readonly tainted: boolean
}

/** The authorities of a trust domain as the server gave them. */
export interface TrustBundle {
  readonly trustDomain: TrustDomain
  readonly x509Authorities: readonly X509Authority[]
  readonly jwtAuthorities: readonly JwtAuthority[]
  readonly refreshHintSeconds: number
  readonly sequenceNumber: number
}

/** Whether two bundles vouch for the same, tainted marks included. Numbers that only pace refreshes do not count. */
export function areBundlesEqual(a: TrustBundle, b: TrustBundle): boolean {
  return (
    a.trustDomain.equals(b.trustDomain) &&
    areX509AuthoritiesEqual(a.x509Authorities, b.x509Authorities) &&
    areJwtAuthoritiesEqual(a.jwtAuthorities, b.jwtAuthorities)
  )
}

/** Whether two bundles have the same root certificates in the same order, tainted marks included. */
export function areX509AuthoritiesEqual(
  a: readonly X509Authority[],
  b: readonly X509Authority[],
): boolean {
  return sameLists(
    a,
    b,
    (x, y) => x.tainted === y.tainted && Buffer.compare(x.certificate, y.certificate) === 0,
  )
}

/** Whether two bundles have the same JWT keys in the same order, tainted marks included. */
export function areJwtAuthoritiesEqual(
  a: readonly JwtAuthority[],
  b: readonly JwtAuthority[],
): boolean {
  return sameLists(
    a,
    b,
    (x, y) =>
      x.keyId === y.keyId &&
      x.tainted === y.tainted &&
      Buffer.compare(x.publicKey, y.publicKey) === 0,
  )
}

function sameLists<T>(
  a: readonly T[],
  b: readonly T[],
  areEqual: (x: T, y: T) => boolean,
): boolean {
  return a.length === b.length && a.every((x, i) => areEqual(x, b[i] as T))
}
