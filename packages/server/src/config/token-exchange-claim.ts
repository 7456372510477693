import { invalid } from '@mini-spire/runtime/config/resolve-daemon'
import type { Decoded } from '@mini-spire/runtime/config/schema'
import { quoteGo } from '@mini-spire/runtime/go-quote'
import { type ClaimPath, parseClaimPath } from '../model/claim-path.ts'
import type { ClaimMatch, ClaimRule } from '../model/claim-rule.ts'
import { Glob } from '../model/glob.ts'
import type { claimFields } from './token-exchange-schema.ts'

type ClaimKeys = Decoded<typeof claimFields>

/** Claims that are checked by other keys, or used up: a rule for them would be another one. */
const otherwiseChecked: ReadonlySet<string> = new Set(['iss', 'aud', 'exp', 'iat', 'nbf', 'jti'])

/** A rule as its block says it. @throws {ConfigError} */
export function resolveClaimRule(claim: string, keys: ClaimKeys, where: string): ClaimRule {
  const own = `${where}.claim[${quoteGo(claim)}]`
  if (otherwiseChecked.has(claim)) throw invalid(`${own}: this claim is checked by other keys`)
  return { name: claim, path: resolveClaimPath(claim, own), match: resolveMatch(keys, own) }
}

/** Where a claim stands in a token. @throws {ConfigError} */
export function resolveClaimPath(claim: string, where: string): ClaimPath {
  const path = parseClaimPath(claim)
  if (path) return path
  throw invalid(`${where}: ${quoteGo(claim)} is neither a claim nor a JSON Pointer to one`)
}

function resolveMatch(keys: ClaimKeys, where: string): ClaimMatch {
  const { equals, one_of: oneOf, prefix, glob } = keys
  const given = [equals, oneOf.length > 0 ? oneOf : undefined, prefix, glob]
  if (given.filter((one) => one !== undefined).length > 1) {
    throw invalid(`${where}: only one of equals, one_of, prefix and glob can be set`)
  }
  if (equals === '' || oneOf.includes('')) throw invalid(`${where}: an empty text is no claim`)
  if (equals !== undefined) return { kind: 'one-of', values: new Set([equals]) }
  if (oneOf.length > 0) return { kind: 'one-of', values: new Set(oneOf) }
  if (prefix !== undefined) return { kind: 'prefix', prefix: checkPrefix(prefix, where) }
  if (glob === undefined) return { kind: 'present' }
  const parsed = Glob.parse(glob)
  if (parsed) return { kind: 'glob', glob: parsed }
  throw invalid(`${where}.glob: ${quoteGo(glob)} is not a pattern of at most 256 characters`)
}

/** One that ends within a name would also let in every longer name: `org/app` and `org/app-of-somebody-else`. */
function checkPrefix(prefix: string, where: string): string {
  if (/[/:@#]$/.test(prefix)) return prefix
  throw invalid(`${where}.prefix: ${quoteGo(prefix)} does not end in / : @ or #`)
}
