import { SpiffeId } from '@mini-spire/sdk/spiffe-id'
import type { RegistrationEntry } from '../model/registration-entry.ts'

/** How many different parent IDs and selector types are shared at most; beyond it entries just keep their own. */
const maxShared = 100_000

const nothing: readonly never[] = Object.freeze([])

/**
 * Makes entries that share what many of them have in common (parent IDs, selector types, empty lists) and all have the same
 * shape, so that a million of them fit and are fast to read.
 */
export class EntryCompactor {
  readonly #parents = new Map<string, SpiffeId>()
  readonly #types = new Map<string, string>()

  compact(entry: RegistrationEntry): RegistrationEntry {
    return {
      id: entry.id,
      spiffeId: entry.spiffeId,
      parentId: this.#parent(entry.parentId),
      selectors: entry.selectors.map(({ type, value }) => ({ type: this.#type(type), value })),
      x509SvidTtlSeconds: entry.x509SvidTtlSeconds,
      jwtSvidTtlSeconds: entry.jwtSvidTtlSeconds,
      federatesWith: entry.federatesWith.length === 0 ? nothing : entry.federatesWith,
      admin: entry.admin,
      downstream: entry.downstream,
      expiresAtSeconds: entry.expiresAtSeconds,
      dnsNames: entry.dnsNames.length === 0 ? nothing : entry.dnsNames,
      revisionNumber: entry.revisionNumber,
      storeSvid: entry.storeSvid,
      hint: entry.hint,
      createdAtSeconds: entry.createdAtSeconds,
      disableX509SvidPrefetch: entry.disableX509SvidPrefetch,
      jwtSvidIncludeJti: entry.jwtSvidIncludeJti,
    }
  }

  #parent(id: SpiffeId): SpiffeId {
    const known = this.#parents.get(id.path)
    if (known?.equals(id)) return known
    const kept = SpiffeId.fromCheckedParts(id.trustDomain, id.path)
    if (this.#parents.size < maxShared) this.#parents.set(id.path, kept)
    return kept
  }

  #type(type: string): string {
    const known = this.#types.get(type)
    if (known !== undefined) return known
    if (this.#types.size < maxShared) this.#types.set(type, type)
    return type
  }
}
