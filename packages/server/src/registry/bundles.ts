import type { TrustBundle } from '../model/trust-bundle.ts'
import { RecordTable } from './record-table.ts'
import type { PageRequest } from './row-pages.ts'

/** A page of bundles in creation order. */
export interface BundlePage {
  readonly bundles: readonly TrustBundle[]
  readonly nextPageToken: string
}

/** The trust bundles by trust domain name, the own one included. */
export class BundleRegistry {
  readonly #table = new RecordTable<TrustBundle>('bundles')

  get size(): number {
    return this.#table.size
  }

  find(trustDomainName: string): TrustBundle | undefined {
    return this.#table.find(trustDomainName)
  }

  /** Every bundle, in creation order. */
  values(): Iterable<TrustBundle> {
    return this.#table.values()
  }

  count(): number {
    return this.#table.size
  }

  /**
   * A page of the bundles.
   *
   * @throws {RegistryError} `ERR_PAGE_TOKEN`
   */
  list(request: PageRequest = {}): BundlePage {
    const page = this.#table.page(request)
    return { bundles: page.items, nextPageToken: page.nextPageToken }
  }

  /** For the registry: applies one committed change. */
  apply(name: string, value: TrustBundle | undefined, ordinal: number, epoch: string): void {
    this.#table.setEpoch(epoch)
    this.#table.apply(name, value, ordinal)
  }
}
