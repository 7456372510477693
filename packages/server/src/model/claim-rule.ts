import type { JsonObject } from '@mini-spire/sdk/bundle'
import { type ClaimPath, claimTexts } from './claim-path.ts'
import type { Glob } from './glob.ts'

/** What a claim has to say. */
export type ClaimMatch =
  | { readonly kind: 'present' }
  | { readonly kind: 'one-of'; readonly values: ReadonlySet<string> }
  | { readonly kind: 'prefix'; readonly prefix: string }
  | { readonly kind: 'glob'; readonly glob: Glob }

/** One condition on tokens of an issuer. */
export interface ClaimRule {
  /** How the operator names the claim. */
  readonly name: string
  readonly path: ClaimPath
  readonly match: ClaimMatch
}

/**
 * Whether a token meets a rule: its claim is there, is not empty, and says what it has to, from first to last character; of a list
 * one member does.
 */
export function isMet(rule: ClaimRule, claims: JsonObject): boolean {
  const texts = claimTexts(claims, rule.path) ?? []
  return texts.some((text) => text !== '' && isMatch(rule.match, text))
}

function isMatch(match: ClaimMatch, text: string): boolean {
  switch (match.kind) {
    case 'present':
      return true
    case 'one-of':
      return match.values.has(text)
    case 'prefix':
      return text.startsWith(match.prefix)
    case 'glob':
      return match.glob.matches(text)
    default:
      return match satisfies never
  }
}
