import type { SpiffeId, TrustDomain } from '@mini-spire/sdk/spiffe-id'
import type { RegistrationEntry } from '../model/registration-entry.ts'
import { isMatch, type SelectorMatch, SelectorSet, type SetMatch } from './set-match.ts'

/** A requested set of federated trust domains and how it is compared. */
export interface TrustDomainMatch {
  readonly match: SetMatch
  readonly trustDomains: readonly TrustDomain[]
}

/** Which entries are wanted: all conditions that are given must hold. */
export interface EntryFilter {
  readonly spiffeId?: SpiffeId | undefined
  readonly parentId?: SpiffeId | undefined
  readonly selectors?: SelectorMatch | undefined
  readonly federatesWith?: TrustDomainMatch | undefined
  /** Empty: any. */
  readonly hint?: string | undefined
  /** False: any. */
  readonly downstream?: boolean | undefined
}

type Condition = (entry: RegistrationEntry) => boolean

/** The filter as a function, or undefined when every entry passes. */
export function entryPredicate(filter: EntryFilter): Condition | undefined {
  const conditions: Condition[] = []
  const { spiffeId, parentId, selectors, federatesWith, hint, downstream } = filter
  if (downstream) conditions.push((entry) => entry.downstream)
  if (hint) conditions.push((entry) => entry.hint === hint)
  if (parentId) conditions.push((entry) => entry.parentId.equals(parentId))
  if (spiffeId) conditions.push((entry) => entry.spiffeId.equals(spiffeId))
  if (selectors) conditions.push(selectorCondition(selectors))
  if (federatesWith) conditions.push(trustDomainCondition(federatesWith))
  if (conditions.length === 0) return undefined
  return (entry) => conditions.every((condition) => condition(entry))
}

function selectorCondition({ match, selectors }: SelectorMatch): Condition {
  const requested = new SelectorSet(selectors)
  return (entry) => requested.isMatchedBy(entry.selectors, match)
}

function trustDomainCondition({ match, trustDomains }: TrustDomainMatch): Condition {
  const requested = new Set(trustDomains.map((trustDomain) => trustDomain.name))
  return (entry) => {
    const candidate = new Set(entry.federatesWith.map((trustDomain) => trustDomain.name))
    let common = 0
    for (const name of candidate) if (requested.has(name)) common++
    return isMatch(match, { candidate: candidate.size, requested: requested.size, common })
  }
}
