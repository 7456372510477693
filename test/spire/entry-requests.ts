import type { BatchUpdateEntryRequest } from '@mini-spire/runtime/proto/spire/api/server/entry/v1/entry'
import { Entry, type EntryMask } from '@mini-spire/runtime/proto/spire/api/types/entry'
import type {
  FederatesWithMatch,
  FederatesWithMatch_MatchBehavior,
} from '@mini-spire/runtime/proto/spire/api/types/federateswith'
import type {
  SelectorMatch,
  SelectorMatch_MatchBehavior,
} from '@mini-spire/runtime/proto/spire/api/types/selector'
import type { SPIFFEID } from '@mini-spire/runtime/proto/spire/api/types/spiffeid'
import type { Chance } from './chance.ts'

/** A filter of entries; the same fields list and count. */
export interface EntryFilter {
  readonly bySpiffeId: SPIFFEID | undefined
  readonly byParentId: SPIFFEID | undefined
  readonly bySelectors: SelectorMatch | undefined
  readonly byFederatesWith: FederatesWithMatch | undefined
  readonly byHint: string | undefined
  readonly byDownstream: boolean | undefined
}

/** One request to an Entry service. */
export type EntryRequest =
  | { readonly kind: 'create'; readonly entries: Entry[]; readonly mask: EntryMask | undefined }
  | ({ readonly kind: 'update' } & BatchUpdateEntryRequest)
  | { readonly kind: 'delete'; readonly ids: string[] }
  | { readonly kind: 'get'; readonly id: string; readonly mask: EntryMask | undefined }
  | {
      readonly kind: 'list'
      readonly filter: EntryFilter | undefined
      readonly mask: EntryMask | undefined
      readonly pageSize: number
      readonly pageToken: string
    }
  | { readonly kind: 'count'; readonly filter: EntryFilter | undefined }

const maskFields = Object.keys(Entry.fromPartial({})).filter((field) => field !== 'id')

/** A server that chooses an ID chooses another one than the other server. */
function withId(entry: Entry): Entry {
  return { ...entry, id: entry.id || 'unnamed' }
}

/**
 * Makes requests to an Entry service out of few values, so that they meet: entries that are similar, IDs that are taken,
 * filters that match; and now and then a value that is none.
 */
export class EntryRequests {
  readonly #chance: Chance

  constructor(chance: Chance) {
    this.#chance = chance
  }

  /** The next request. */
  next(): EntryRequest {
    const draw = this.#chance.draw()
    if (draw < 0.3) {
      const entries = this.#chance.some(this.#entry, 3).map(withId)
      return { kind: 'create', entries, mask: this.#mask() }
    }
    if (draw < 0.5) {
      const [inputMask, outputMask] = [this.#mask(), this.#mask()]
      return { kind: 'update', entries: this.#chance.some(this.#entry, 3), inputMask, outputMask }
    }
    if (draw < 0.55) return { kind: 'delete', ids: this.#chance.some(this.#id, 3) }
    if (draw < 0.65) return { kind: 'get', id: this.#id(), mask: this.#mask() }
    if (draw < 0.85) return this.#list()
    return { kind: 'count', filter: this.#filter() }
  }

  #list(): EntryRequest {
    const filter = this.#filter()
    // SPIRE cuts pages before it looks for downstream entries (docs/decisions/0700): not asked for in pages.
    const isPaged = !filter?.byDownstream && this.#chance.happens(0.6)
    return {
      kind: 'list',
      filter,
      mask: this.#mask(),
      pageSize: isPaged ? this.#chance.of([-1, 1, 2, 3, 7, 1000]) : 0,
      pageToken: this.#chance.happens(0.05) ? this.#chance.of(['bogus', '-1', '1.5', ' 1']) : '',
    }
  }

  readonly #entry = (): Entry =>
    Entry.fromPartial({
      id: this.#id(),
      spiffeId: this.#spiffeId(['/a', '/b', '/c']),
      parentId: this.#spiffeId(['/p', '/q', '/spire/server', '/spire/agent/x']),
      selectors: this.#chance.some(this.#selector, 3),
      x509SvidTtl: this.#chance.of([0, 0, 60, 3600, -1]),
      jwtSvidTtl: this.#chance.of([0, 0, 0, 60, 2147483647, -5]),
      federatesWith: this.#chance.happens(0.2) ? this.#chance.some(this.#trustDomain, 2) : [],
      admin: this.#chance.happens(0.2),
      downstream: this.#chance.happens(0.2),
      expiresAt: this.#chance.of([0n, 0n, 4_105_123_200n, 2n ** 62n]),
      dnsNames: this.#chance.happens(0.4) ? this.#chance.some(this.#dnsName, 3) : [],
      revisionNumber: this.#chance.of([0n, 5n]),
      storeSvid: this.#chance.happens(0.15),
      hint: this.#chance.of(['', '', 'h', 'i', 'x'.repeat(1024), 'y'.repeat(1025)]),
      createdAt: this.#chance.of([0n, 7n]),
      additionalAttributes: this.#chance.happens(0.3)
        ? {
            disableX509SvidPrefetch: this.#chance.happens(0.4),
            jwtSvidIncludeJti: this.#chance.happens(0.5),
          }
        : undefined,
    })

  #filter(): EntryFilter | undefined {
    if (this.#chance.happens(0.2)) return undefined
    const maybe = <T>(make: () => T): T | undefined =>
      this.#chance.happens(0.25) ? make() : undefined
    return {
      bySpiffeId: maybe(() => this.#spiffeId(['/a', '/b', '/c'])),
      byParentId: maybe(() => this.#spiffeId(['/p', '/q', '/spire/server', '/spire/agent/x'])),
      bySelectors: maybe(() => ({
        selectors: this.#chance.some(this.#selector, 3),
        match: this.#match(),
      })),
      byFederatesWith: maybe(() => ({
        trustDomains: this.#chance.some(this.#trustDomain, 2),
        match: this.#match(),
      })),
      byHint: maybe(() => this.#chance.of(['', 'h', 'i', 'none'])),
      byDownstream: maybe(() => this.#chance.happens(0.5)),
    }
  }

  #mask(): EntryMask | undefined {
    if (this.#chance.happens(0.5)) return undefined
    const fields = this.#chance.happens(0.2)
      ? []
      : maskFields.filter(() => this.#chance.happens(0.6))
    return Object.fromEntries(maskFields.map((field) => [field, fields.includes(field)])) as never
  }

  readonly #id = (): string =>
    this.#chance.happens(0.04)
      ? this.#chance.of(['', 'no/id', 'ä', 'x'.repeat(255), 'x'.repeat(256)])
      : `e${Math.floor(this.#chance.draw() * 40)}`

  #spiffeId(paths: readonly string[]): SPIFFEID {
    const path = this.#chance.happens(0.06)
      ? this.#chance.of(['', '/', '/x y', '/a/', 'a', '/./a', '/spire/none', '/spire'])
      : this.#chance.of(paths)
    const trustDomain = this.#chance.happens(0.04)
      ? this.#chance.of(['', 'other.org', 'Example.org', 'a b', 'spiffe://example.org'])
      : 'example.org'
    return { trustDomain, path }
  }

  readonly #selector = (): { type: string; value: string } =>
    this.#chance.happens(0.03)
      ? this.#chance.of([
          { type: '', value: 'a' },
          { type: 'a', value: '' },
          { type: 'a:b', value: 'c' },
        ])
      : { type: this.#chance.of(['a', 'b']), value: this.#chance.of(['1', '2', 'x:y']) }

  readonly #trustDomain = (): string =>
    this.#chance.happens(0.1)
      ? this.#chance.of(['none.org', '', 'a b', 'spiffe://one.org/path', 'spiffe://one.org'])
      : this.#chance.of(['one.org', 'two.org'])

  readonly #dnsName = (): string =>
    this.#chance.happens(0.05)
      ? this.#chance.of(['', 'a b', '-a', '*.b.c', 'a.-b'])
      : this.#chance.of(['a', 'b.c', 'D.e'])

  /** The numbers of both enumerations are the same; 7 is none of them. */
  #match(): SelectorMatch_MatchBehavior & FederatesWithMatch_MatchBehavior {
    return (this.#chance.happens(0.03) ? 7 : Math.floor(this.#chance.draw() * 4)) as never
  }
}
