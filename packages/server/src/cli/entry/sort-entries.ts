import type { Entry } from '@mini-spire/runtime/proto/spire/api/types/entry'
import type { Selector } from '@mini-spire/runtime/proto/spire/api/types/selector'

/** Entries by SPIFFE ID, parent ID, lifetimes, number of selectors, selectors; each with its selectors sorted. */
export function sortEntries(entries: readonly Entry[]): Entry[] {
  return entries
    .map((entry) => ({ ...entry, selectors: [...entry.selectors].sort(compareSelectors) }))
    .sort(compareEntries)
}

function compareEntries(a: Entry, b: Entry): number {
  return (
    compareText(a.spiffeId?.trustDomain, b.spiffeId?.trustDomain) ||
    compareText(a.spiffeId?.path, b.spiffeId?.path) ||
    compareText(a.parentId?.trustDomain, b.parentId?.trustDomain) ||
    compareText(a.parentId?.path, b.parentId?.path) ||
    a.x509SvidTtl - b.x509SvidTtl ||
    a.jwtSvidTtl - b.jwtSvidTtl ||
    a.selectors.length - b.selectors.length ||
    compareLists(a.selectors, b.selectors)
  )
}

function compareLists(a: readonly Selector[], b: readonly Selector[]): number {
  for (const [index, selector] of a.entries()) {
    const other = b[index]
    const order = other ? compareSelectors(selector, other) : 1
    if (order !== 0) return order
  }
  return 0
}

function compareSelectors(a: Selector, b: Selector): number {
  return compareText(a.type, b.type) || compareText(a.value, b.value)
}

function compareText(a = '', b = ''): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b))
}
