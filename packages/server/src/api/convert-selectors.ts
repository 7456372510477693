import {
  SelectorMatch_MatchBehavior,
  type SelectorMatch as SelectorMatchMessage,
  type Selector as SelectorMessage,
} from '@mini-spire/runtime/proto/spire/api/types/selector'
import type { Selector } from '../model/selector.ts'
import { checkSelectors } from '../registration/check-selector.ts'
import type { SetMatch } from '../registry/set-match.ts'

/**
 * Reads selectors.
 *
 * @throws {EntryError} `ERR_ENTRY_MALFORMED` for one without type or value, or with a colon in its type
 */
export function selectorsFromProto(selectors: readonly SelectorMessage[]): readonly Selector[] {
  checkSelectors(selectors)
  return selectors.map(({ type, value }) => ({ type, value }))
}

/** Writes selectors. */
export function selectorsToProto(selectors: readonly Selector[]): SelectorMessage[] {
  return selectors.map(({ type, value }) => ({ type, value }))
}

const matches: ReadonlyMap<number, SetMatch> = new Map([
  [SelectorMatch_MatchBehavior.MATCH_EXACT, 'exact'],
  [SelectorMatch_MatchBehavior.MATCH_SUBSET, 'subset'],
  [SelectorMatch_MatchBehavior.MATCH_SUPERSET, 'superset'],
  [SelectorMatch_MatchBehavior.MATCH_ANY, 'any'],
] as const)

/**
 * How two sets are compared, from the number that selectors and federated trust domains share; undefined for another number.
 */
export function setMatchFromProto(match: number): SetMatch | undefined {
  return matches.get(match)
}

/** A comparison's name, as audit lines print it; its number when it has no name. */
export function setMatchName(match: number): string {
  const names = Object.entries(SelectorMatch_MatchBehavior)
  return names.find(([, number]) => number === match && number >= 0)?.[0] ?? String(match)
}

/** `type:value,…`, as audit lines print the selectors of a request. */
export function selectorField(selectors: SelectorMatchMessage['selectors']): string {
  return selectors.map(({ type, value }) => `${type}:${value}`).join(',')
}
