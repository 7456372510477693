import { createPublicKey, generateKeyPairSync } from 'node:crypto'
import type { BatchDeleteFederatedBundleRequest_Mode as DeleteMode } from '@mini-spire/runtime/proto/spire/api/server/bundle/v1/bundle'
import { Bundle, type BundleMask } from '@mini-spire/runtime/proto/spire/api/types/bundle'
import {
  type FederationRelationship,
  FederationRelationshipMask,
} from '@mini-spire/runtime/proto/spire/api/types/federationrelationship'
import { TestCa } from '@mini-spire/sdk/testing'
import type { Chance } from './chance.ts'

/** One request to a Bundle or TrustDomain service. */
export type BundleRequest =
  | { readonly kind: 'count' | 'own'; readonly mask: BundleMask | undefined }
  | { readonly kind: 'get'; readonly trustDomain: string; readonly mask: BundleMask | undefined }
  | ({ readonly kind: 'list'; readonly mask: BundleMask | undefined } & Paged)
  | {
      readonly kind: 'create' | 'set'
      readonly bundle: Bundle[]
      readonly mask: BundleMask | undefined
    }
  | {
      readonly kind: 'update'
      readonly bundle: Bundle[]
      readonly inputMask: BundleMask | undefined
      readonly mask: BundleMask | undefined
    }
  | { readonly kind: 'delete'; readonly trustDomains: string[]; readonly mode: DeleteMode }
  | {
      readonly kind: 'relate'
      readonly relationships: FederationRelationship[]
      readonly mask: Mask
    }
  | {
      readonly kind: 'change'
      readonly relationships: FederationRelationship[]
      readonly inputMask: Mask
      readonly mask: Mask
    }
  | { readonly kind: 'unrelate'; readonly trustDomains: string[] }
  | { readonly kind: 'relationship'; readonly trustDomain: string; readonly mask: Mask }
  | ({ readonly kind: 'relationships'; readonly mask: Mask } & Paged)

type Mask = FederationRelationshipMask | undefined
interface Paged {
  readonly pageSize: number
  readonly pageToken: string
}

const bundleFields = Object.keys(Bundle.fromPartial({})).filter((field) => field !== 'trustDomain')
const relationshipFields = Object.keys(FederationRelationshipMask.fromPartial({}))
const domains = ['one.org', 'two.org', 'three.org', 'four.org']

/** Makes requests to the services of other trust domains out of few values, so that they meet; and now and then one that is none. */
export class BundleRequests {
  readonly #chance: Chance
  readonly #roots: readonly Uint8Array[]
  readonly #keys: readonly Uint8Array[]

  constructor(chance: Chance) {
    this.#chance = chance
    this.#roots = domains.map((domain) => TestCa.create(domain).certificate.raw)
    this.#keys = domains.map(() => {
      const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
      return createPublicKey(privateKey).export({ type: 'spki', format: 'der' })
    })
  }

  /** The next request to a Bundle service. */
  nextOfBundles(): BundleRequest {
    const chance = this.#chance
    const draw = chance.draw()
    const mask = this.#bundleMask()
    const bundle = chance.some(this.#bundle, 3)
    if (draw < 0.15) return { kind: 'create', bundle, mask }
    if (draw < 0.35) return { kind: 'set', bundle, mask }
    if (draw < 0.5) return { kind: 'update', bundle, inputMask: this.#bundleMask(), mask }
    if (draw < 0.6) {
      const mode = chance.of([0, 1, 2, 0, 9]) as DeleteMode
      return { kind: 'delete', trustDomains: chance.some(this.#trustDomain, 3), mode }
    }
    if (draw < 0.75) return { kind: 'get', trustDomain: this.#trustDomain(), mask }
    if (draw < 0.9) return { kind: 'list', mask, ...this.#page() }
    return { kind: chance.of(['count', 'own'] as const), mask }
  }

  /** The next request to a TrustDomain service. */
  nextOfTrustDomains(): BundleRequest {
    const chance = this.#chance
    const draw = chance.draw()
    const mask = this.#relationshipMask()
    const relationships = chance.some(this.#relationship, 3)
    if (draw < 0.3) return { kind: 'relate', relationships, mask }
    if (draw < 0.5)
      return { kind: 'change', relationships, inputMask: this.#relationshipMask(), mask }
    if (draw < 0.6) return { kind: 'unrelate', trustDomains: chance.some(this.#trustDomain, 3) }
    if (draw < 0.75) return { kind: 'relationship', trustDomain: this.#trustDomain(), mask }
    if (draw < 0.9) return { kind: 'relationships', mask, ...this.#page() }
    return { kind: 'get', trustDomain: this.#trustDomain(), mask: this.#bundleMask() }
  }

  #page(): Paged {
    const isPaged = this.#chance.happens(0.6)
    return {
      pageSize: isPaged ? this.#chance.of([-1, 1, 2, 3, 1000]) : 0,
      pageToken: this.#chance.happens(0.05) ? this.#chance.of(['bogus', '-1', '1.5', ' 1']) : '',
    }
  }

  readonly #trustDomain = (): string =>
    this.#chance.happens(0.12)
      ? this.#chance.of([
          '',
          'a b',
          'example.org',
          'Two.org',
          'spiffe://two.org',
          'spiffe://two.org/p',
        ])
      : this.#chance.of(domains)

  readonly #bundle = (): Bundle => {
    const chance = this.#chance
    return Bundle.fromPartial({
      trustDomain: this.#trustDomain(),
      x509Authorities: chance.some(this.#x509Authority, 2),
      jwtAuthorities: chance.happens(0.6) ? chance.some(this.#jwtAuthority, 2) : [],
      refreshHint: chance.of([0n, 60n, -1n, 2n ** 40n]),
      sequenceNumber: chance.of([0n, 1n, 7n, 2n ** 63n]),
    })
  }

  readonly #x509Authority = (): { asn1: Uint8Array; tainted: boolean } => ({
    // None at all is one to SPIRE (docs/decisions/compatibility.md): not asked for.
    asn1: this.#chance.happens(0.05) ? Buffer.from('no certificate') : this.#chance.of(this.#roots),
    tainted: this.#chance.happens(0.1),
  })

  readonly #jwtAuthority = (): Bundle['jwtAuthorities'][number] => ({
    publicKey: this.#chance.happens(0.05)
      ? this.#chance.of([new Uint8Array(), Buffer.from('no key')])
      : this.#chance.of(this.#keys),
    keyId: this.#chance.of(['k1', 'k2', 'k3', 'k1', 'k2', '']),
    expiresAt: this.#chance.of([0n, 4_105_123_200n, 1n, -1n]),
    tainted: this.#chance.happens(0.1),
  })

  readonly #relationship = (): FederationRelationship => {
    const chance = this.#chance
    const url = chance.happens(0.12)
      ? chance.of([
          '',
          'http://a.org',
          'https://',
          'https://u:p@a.org',
          ':',
          'https://a.org/ x',
          'a.org',
        ])
      : chance.of(['https://127.0.0.1:1/b', 'https://127.0.0.1:1/c'])
    const endpointSpiffeId = chance.happens(0.12)
      ? chance.of(['', 'x', 'spiffe://one.org', 'spiffe://a b'])
      : chance.of(['spiffe://one.org/e', 'spiffe://two.org/e'])
    const profile = chance.draw()
    return {
      trustDomain: this.#trustDomain(),
      bundleEndpointUrl: url,
      bundleEndpointProfile:
        profile < 0.05
          ? undefined
          : profile < 0.5
            ? { $case: 'httpsWeb', httpsWeb: {} }
            : { $case: 'httpsSpiffe', httpsSpiffe: { endpointSpiffeId } },
      trustDomainBundle: chance.happens(0.3) ? this.#bundle() : undefined,
    }
  }

  #bundleMask(): BundleMask | undefined {
    return this.#mask(bundleFields) as BundleMask | undefined
  }

  #relationshipMask(): Mask {
    return this.#mask(relationshipFields) as Mask
  }

  #mask(fields: readonly string[]): object | undefined {
    if (this.#chance.happens(0.5)) return undefined
    const chosen = fields.filter(() => this.#chance.happens(0.6))
    return Object.fromEntries(fields.map((field) => [field, chosen.includes(field)]))
  }
}
