/** One fact about a workload, printed `type:value`. The type has no colon, the value may. */
export interface Selector {
  readonly type: string
  readonly value: string
}

/** The printed form, `type:value`, which is also its identity: two selectors are equal exactly when these are. */
export function selectorKey(selector: Selector): string {
  return `${selector.type}:${selector.value}`
}
