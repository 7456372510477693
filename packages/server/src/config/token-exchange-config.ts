import type { Cidr } from '../model/cidr.ts'
import type { ClaimPath } from '../model/claim-path.ts'
import type { ClaimRule } from '../model/claim-rule.ts'
import type { BundleEndpointProfile } from './bundle-endpoint-config.ts'

/** Where the keys of an issuer are. */
export type IssuerKeysConfig =
  | { readonly kind: 'file'; readonly path: string }
  | { readonly kind: 'url'; readonly url: string; readonly caFile: string | undefined }
  | {
      readonly kind: 'discovery'
      readonly caFile: string | undefined
      /** Networks of ours that the issuer may send us to. */
      readonly mayLeadTo: readonly Cidr[]
    }

/** One `token_exchange.issuer` block. */
export interface TokenIssuerConfig {
  readonly name: string
  readonly url: string
  readonly audiences: readonly string[]
  readonly keys: IssuerKeysConfig
  readonly maxTokenLifetimeMs: number
  /** Undefined: any age within the lifetime. */
  readonly maxTokenAgeMs: number | undefined
  readonly rules: readonly ClaimRule[]
  readonly selectorType: string
  /** Selectors that are made, by name, and the claims they are made from. */
  readonly selectors: ReadonlyMap<string, ClaimPath>
}

/** The `token_exchange` block, resolved. */
export interface TokenExchangeConfig {
  /** Undefined: every interface. */
  readonly address: string | undefined
  readonly port: number
  readonly profile: BundleEndpointProfile
  readonly issuers: readonly TokenIssuerConfig[]
}
