import type { AttestedNode } from '../model/attested-node.ts'
import type { RegistrationEntry } from '../model/registration-entry.ts'
import { selectorKey } from '../model/selector.ts'
import type { EntryFilter } from './entry-filter.ts'
import type { SetMatch } from './set-match.ts'

/** The registry's rules written down as plainly as possible, without an index: what the real one is compared with. */
export class NaiveRegistry {
  /** In creation order. */
  readonly entries: Map<string, RegistrationEntry> = new Map()
  readonly nodes: Map<string, AttestedNode> = new Map()

  list(filter: EntryFilter): readonly RegistrationEntry[] {
    return [...this.entries.values()].filter((entry) => passes(entry, filter))
  }

  similar(entry: RegistrationEntry): RegistrationEntry | undefined {
    return [...this.entries.values()].find(
      (other) =>
        `${other.spiffeId}` === `${entry.spiffeId}` &&
        `${other.parentId}` === `${entry.parentId}` &&
        matches('exact', other.selectors.map(selectorKey), entry.selectors.map(selectorKey)),
    )
  }

  authorized(agentId: string, nowSeconds: number): ReadonlySet<string> {
    const found = new Set<string>()
    const seen = new Set<string>()
    const visit = (parent: string): void => {
      if (seen.has(parent)) return
      seen.add(parent)
      for (const entry of this.entries.values()) {
        if (`${entry.parentId}` !== parent || entry.parentId.path === '/spire/server') continue
        found.add(entry.id)
        visit(`${entry.spiffeId}`)
      }
      for (const alias of this.#aliasesOf(parent, nowSeconds)) visit(alias)
    }
    visit(agentId)
    return found
  }

  #aliasesOf(id: string, nowSeconds: number): readonly string[] {
    const node = this.nodes.get(id)
    if (!node || node.serialNumber === '' || node.expiresAtSeconds < nowSeconds) return []
    const has = new Set(node.selectors.map(selectorKey))
    return [...this.entries.values()]
      .filter((entry) => entry.parentId.path === '/spire/server')
      .filter((entry) => entry.selectors.every((selector) => has.has(selectorKey(selector))))
      .map((entry) => `${entry.spiffeId}`)
  }
}

function passes(entry: RegistrationEntry, filter: EntryFilter): boolean {
  const { spiffeId, parentId, selectors, federatesWith, hint, downstream } = filter
  if (spiffeId && `${entry.spiffeId}` !== `${spiffeId}`) return false
  if (parentId && `${entry.parentId}` !== `${parentId}`) return false
  if (hint && entry.hint !== hint) return false
  if (downstream && !entry.downstream) return false
  if (selectors) {
    const requested = selectors.selectors.map(selectorKey)
    if (!matches(selectors.match, entry.selectors.map(selectorKey), requested)) return false
  }
  if (federatesWith) {
    const requested = federatesWith.trustDomains.map(String)
    if (!matches(federatesWith.match, entry.federatesWith.map(String), requested)) return false
  }
  return true
}

function matches(
  match: SetMatch,
  candidate: readonly string[],
  requested: readonly string[],
): boolean {
  const isSubset = candidate.every((element) => requested.includes(element))
  const isSuperset = requested.every((element) => candidate.includes(element))
  if (match === 'exact') return isSubset && isSuperset
  if (match === 'subset') return isSubset && candidate.length > 0
  if (match === 'superset') return isSuperset
  return candidate.some((element) => requested.includes(element))
}
