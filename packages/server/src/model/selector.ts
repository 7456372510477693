/** One fact about a node or workload, printed `type:value`. The type has no colon, the value may. */
export interface Selector {
  readonly type: string
  readonly value: string
}

/** The printed form, `type:value`, which is also its identity: two selectors are equal exactly when these are. */
export function selectorKey(selector: Selector): string {
  return `${selector.type}:${selector.value}`
}

/** Orders selectors by type, then by value, as {@link Array.sort} wants it. */
export function compareSelectors(a: Selector, b: Selector): number {
  return compareText(a.type, b.type) || compareText(a.value, b.value)
}

/** Orders texts by their code units. */
export function compareText(a: string, b: string): number {
  if (a === b) return 0
  return a < b ? -1 : 1
}
