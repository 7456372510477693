import type { TrustDomain } from '../spiffe-id/index.ts'
import type { JwtBundleSource, X509BundleSource } from './bundle-source.ts'
import type { JwtBundle } from './jwt-bundle.ts'
import type { X509Bundle } from './x509-bundle.ts'

/** Bundles by trust domain; a later one of the same trust domain replaces the earlier. A value: it never changes. */
export class BundleSet<B extends { readonly trustDomain: TrustDomain }> {
  readonly #byName: ReadonlyMap<string, B>

  constructor(bundles: Iterable<B>) {
    this.#byName = new Map([...bundles].map((bundle) => [bundle.trustDomain.name, bundle]))
  }

  get size(): number {
    return this.#byName.size
  }

  find(trustDomain: TrustDomain): B | undefined {
    return this.#byName.get(trustDomain.name)
  }

  [Symbol.iterator](): IterableIterator<B> {
    return this.#byName.values()
  }
}

/** Roots of several trust domains; each vouches for its own only. */
export class X509BundleSet extends BundleSet<X509Bundle> implements X509BundleSource {
  findX509Bundle(trustDomain: TrustDomain): X509Bundle | undefined {
    return this.find(trustDomain)
  }
}

/** JWT keys of several trust domains; each vouches for its own only. */
export class JwtBundleSet extends BundleSet<JwtBundle> implements JwtBundleSource {
  findJwtBundle(trustDomain: TrustDomain): JwtBundle | undefined {
    return this.find(trustDomain)
  }
}
