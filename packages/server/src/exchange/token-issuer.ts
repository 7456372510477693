import type { JsonObject } from '@mini-spire/sdk/bundle'
import { type ClaimPath, claimTexts } from '../model/claim-path.ts'
import { type ClaimRule, isMet } from '../model/claim-rule.ts'
import type { Selector } from '../model/selector.ts'
import { ExchangeError } from './exchange-error.ts'

/** An issuer whose tokens may be exchanged, and what is asked of them. */
export interface TokenIssuer {
  /** The operator's name for it: last segment of the parent ID of its entries. */
  readonly name: string
  /** `iss` of its tokens, byte for byte. */
  readonly url: string
  /** A token may be for these and nobody else. */
  readonly audiences: ReadonlySet<string>
  /** From `iat` to `exp`, at most. */
  readonly maxLifetimeSeconds: number
  /** Since `iat`, at most; undefined: any age within its lifetime. */
  readonly maxAgeSeconds: number | undefined
  /** All of them have to be met. */
  readonly rules: readonly ClaimRule[]
  /** Type of the selectors that are made from claims. */
  readonly selectorType: string
  /** Names of selectors, and the claims they are made from. */
  readonly selectors: ReadonlyMap<string, ClaimPath>
}

/**
 * Checks a verified token against its issuer's rules.
 *
 * @throws {ExchangeError} `ERR_EXCHANGE_TOKEN_RULES` naming the claim
 */
export function checkRules(issuer: TokenIssuer, claims: JsonObject): void {
  const broken = issuer.rules.find((rule) => !isMet(rule, claims))
  if (!broken) return
  const message = `claim ${broken.name} does not meet the rule of issuer ${issuer.name}`
  throw new ExchangeError('ERR_EXCHANGE_TOKEN_RULES', message)
}

/** The selectors of a verified token: `<type>:<name>:<what the claim says>`. A claim that is not there or says nothing gives none. */
export function selectorsOf(issuer: TokenIssuer, claims: JsonObject): readonly Selector[] {
  return [...issuer.selectors].flatMap(([name, path]) =>
    (claimTexts(claims, path) ?? [])
      .filter((text) => text !== '')
      .map((text) => ({ type: issuer.selectorType, value: `${name}:${text}` })),
  )
}
