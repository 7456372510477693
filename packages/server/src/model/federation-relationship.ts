import type { SpiffeId, TrustDomain } from '@mini-spire/sdk/spiffe-id'

/** How a bundle endpoint proves who it is [SPIFFE Federation 5.2]. */
export type EndpointProfile =
  /** By a certificate of the web's authorities for the URL's host. */
  | { readonly kind: 'https_web' }
  /** By an X509-SVID with exactly this ID. */
  | { readonly kind: 'https_spiffe'; readonly endpointSpiffeId: SpiffeId }

/** Where the bundle of another trust domain is fetched from, and how that place proves who it is. */
export interface FederationRelationship {
  readonly trustDomain: TrustDomain
  readonly bundleEndpointUrl: string
  readonly profile: EndpointProfile
}

/** Whether two profiles ask for the same proof. */
export function isSameProfile(one: EndpointProfile, other: EndpointProfile): boolean {
  if (one.kind === 'https_web' || other.kind === 'https_web') return one.kind === other.kind
  return one.endpointSpiffeId.equals(other.endpointSpiffeId)
}
