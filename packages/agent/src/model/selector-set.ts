import { type Selector, selectorKey } from './selector.ts'

/** Separates selectors in a set's key. No selector that a server accepts holds it. */
const separator = '\u0000'

/**
 * Everything that was found out about a workload, as a set.
 *
 * {@link SelectorSet.key} is equal for equal sets, whatever the order of discovery: what is shared between workloads that
 * look the same (rate limits, subscriptions, encoded answers) is kept under it.
 */
export class SelectorSet {
  readonly key: string
  readonly selectors: readonly Selector[]
  readonly #keys: ReadonlySet<string>

  constructor(selectors: Iterable<Selector>) {
    const byKey = new Map<string, Selector>()
    for (const selector of selectors) byKey.set(selectorKey(selector), selector)
    const keys = [...byKey.keys()].sort()
    this.key = keys.join(separator)
    this.selectors = [...byKey.values()]
    this.#keys = new Set(keys)
  }

  get size(): number {
    return this.#keys.size
  }

  /** The printed selectors, sorted. */
  keys(): Iterable<string> {
    return this.#keys
  }

  has(key: string): boolean {
    return this.#keys.has(key)
  }

  /** Whether all of these (printed) selectors are in the set: then an entry with them is for this workload. */
  includesAll(keys: readonly string[]): boolean {
    for (const key of keys) if (!this.#keys.has(key)) return false
    return true
  }
}
