import type { Selector } from '../model/selector.ts'
import { SelectorSet } from '../model/selector-set.ts'

/** How many selector sets are remembered. */
const maxKnownSets = 1024

/** Selector sets by what is in them, so that equal workloads share one object. */
export class SelectorSets {
  readonly #known = new Map<string, SelectorSet>()

  of(found: readonly Selector[]): SelectorSet {
    // Attestors report in the same order each time, so the plain text is as good a key as the sorted one, and cheaper.
    let text = ''
    for (const { type, value } of found) text += `${type}:${value}\u0000`
    const known = this.#known.get(text)
    if (known) return known
    const set = new SelectorSet(found)
    if (this.#known.size >= maxKnownSets) this.#known.clear()
    this.#known.set(text, set)
    return set
  }
}
