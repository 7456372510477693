import type { Logger } from '@mini-spire/runtime/log/logger'
import type { CacheChanges } from '../cache/workload-cache.ts'
import type { AgentEntry } from '../model/agent-entry.ts'
import { selectorKey } from '../model/selector.ts'

/** Says in the log, for whoever waits for it there, which entries and bundles a synchronisation changed. */
export function logChanges(log: Logger, changes: CacheChanges): void {
  if (changes.isOwnBundleChanged)
    log.debug('Bundle updated', { trust_domain_id: changes.ownDomain })
  for (const [trustDomain, change] of changes.changedDomains) {
    log.debug(`Bundle ${change}`, { trust_domain_id: trustDomain })
  }
  for (const entry of changes.removed) log.debug('Entry removed', named(entry))
  for (const entry of changes.created) {
    log.debug('Entry created', { ...named(entry), ...differences(undefined, entry) })
  }
  for (const { before, after } of changes.updated) {
    const fields = differences(before, after)
    // Only what decides who gets what is news, as in SPIRE.
    if (Object.keys(fields).length > 0) log.debug('Entry updated', { ...named(after), ...fields })
  }
}

function named({ id, spiffeId }: AgentEntry): {
  readonly entry: string
  readonly spiffe_id: string
} {
  return { entry: id, spiffe_id: String(spiffeId) }
}

function differences(before: AgentEntry | undefined, after: AgentEntry): Record<string, number> {
  const selectors = (entry?: AgentEntry): string[] => entry?.selectors.map(selectorKey) ?? []
  const domains = (entry?: AgentEntry): string[] =>
    entry?.federatesWith.map(({ name }) => name) ?? []
  const counts = {
    selectors_added: missing(selectors(after), selectors(before)),
    selectors_removed: missing(selectors(before), selectors(after)),
    fed_add: missing(domains(after), domains(before)),
    fed_rem: missing(domains(before), domains(after)),
  }
  return Object.fromEntries(Object.entries(counts).filter(([, count]) => count > 0))
}

/** How many of these the others lack. */
function missing(these: readonly string[], others: readonly string[]): number {
  const known = new Set(others)
  return these.filter((one) => !known.has(one)).length
}
