import type { FederationRelationship } from '../model/federation-relationship.ts'
import { RecordTable } from './record-table.ts'
import type { Page, PageRequest } from './row-pages.ts'

/** The federation relationships that operators made at run time, by trust domain name. */
export class RelationshipRegistry {
  readonly #table = new RecordTable<FederationRelationship>('federation-relationships')

  find(trustDomainName: string): FederationRelationship | undefined {
    return this.#table.find(trustDomainName)
  }

  /** Every relationship, in creation order. */
  values(): Iterable<FederationRelationship> {
    return this.#table.values()
  }

  /**
   * A page of the relationships, in creation order.
   *
   * @throws {RegistryError} `ERR_PAGE_TOKEN`
   */
  list(request: PageRequest = {}): Page<FederationRelationship> {
    return this.#table.page(request)
  }

  /** For the registry: applies one committed change. */
  apply(
    name: string,
    value: FederationRelationship | undefined,
    ordinal: number,
    epoch: string,
  ): void {
    this.#table.setEpoch(epoch)
    this.#table.apply(name, value, ordinal)
  }
}
