import type { TrustDomain } from '../spiffe-id/index.ts'
import type { JwtBundle } from './jwt-bundle.ts'
import type { X509Bundle } from './x509-bundle.ts'

/** Anything that knows the roots of trust domains now: a bundle, a set of them, a source that follows the Workload API. */
export interface X509BundleSource {
  /** The roots of this trust domain, or undefined when it is not trusted. */
  findX509Bundle(trustDomain: TrustDomain): X509Bundle | undefined
}

/** Anything that knows the JWT keys of trust domains now. */
export interface JwtBundleSource {
  /** The keys of this trust domain, or undefined when it is not trusted. */
  findJwtBundle(trustDomain: TrustDomain): JwtBundle | undefined
}
