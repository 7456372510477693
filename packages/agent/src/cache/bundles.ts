import type { TrustDomain } from '@mini-spire/sdk/spiffe-id'
import { areBundlesEqual, type TrustBundle } from '../model/trust-bundle.ts'

/** What became of a foreign bundle. */
export type BundleChange = 'added' | 'updated' | 'removed'

/** The bundles of the own trust domain and of those its entries federate with. The own one is always there. */
export class Bundles {
  readonly #bundles = new Map<string, TrustBundle>()
  #own: TrustBundle

  constructor(own: TrustBundle) {
    this.#own = own
    this.#bundles.set(own.trustDomain.name, own)
  }

  get own(): TrustBundle {
    return this.#own
  }

  find(trustDomain: TrustDomain): TrustBundle | undefined {
    return this.#bundles.get(trustDomain.name)
  }

  values(): IterableIterator<TrustBundle> {
    return this.#bundles.values()
  }

  /** Takes a new own bundle; returns whether it differs. */
  setOwn(bundle: TrustBundle): boolean {
    if (areBundlesEqual(this.#own, bundle)) return false
    this.#own = bundle
    this.#bundles.set(bundle.trustDomain.name, bundle)
    return true
  }

  /** Takes these for all foreign bundles there are; returns the names of the trust domains that changed, and how. */
  replaceFederated(bundles: readonly TrustBundle[]): ReadonlyMap<string, BundleChange> {
    const changed = new Map<string, BundleChange>()
    const given = new Map(bundles.map((bundle) => [bundle.trustDomain.name, bundle]))
    given.delete(this.#own.trustDomain.name)
    for (const name of [...this.#bundles.keys()]) {
      if (given.has(name) || name === this.#own.trustDomain.name) continue
      this.#bundles.delete(name)
      changed.set(name, 'removed')
    }
    for (const [name, bundle] of given) {
      const before = this.#bundles.get(name)
      if (before && areBundlesEqual(before, bundle)) continue
      this.#bundles.set(name, bundle)
      changed.set(name, before ? 'updated' : 'added')
    }
    return changed
  }
}
