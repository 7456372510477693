import type { Selector } from '../model/selector.ts'

/**
 * How a record's set C answers a requested set R: `exact` C = R, `subset` C ⊆ R and C not empty, `superset` C ⊇ R,
 * `any` C and R share an element.
 */
export type SetMatch = 'exact' | 'subset' | 'superset' | 'any'

/** A requested set of selectors and how it is compared. */
export interface SelectorMatch {
  readonly match: SetMatch
  readonly selectors: readonly Selector[]
}

/** Selectors as a set, asked without joining type and value. */
export class SelectorSet {
  readonly #values = new Map<string, Set<string>>()
  readonly #size: number

  constructor(selectors: Iterable<Selector>) {
    let size = 0
    for (const { type, value } of selectors) {
      const values = this.#values.get(type) ?? new Set()
      if (!values.has(value)) size++
      this.#values.set(type, values.add(value))
    }
    this.#size = size
  }

  get size(): number {
    return this.#size
  }

  has(selector: Selector): boolean {
    return this.#values.get(selector.type)?.has(selector.value) ?? false
  }

  /** Whether a record's selectors (themselves a set) match this requested set. */
  isMatchedBy(candidate: readonly Selector[], match: SetMatch): boolean {
    let common = 0
    for (const selector of candidate) if (this.has(selector)) common++
    return isMatch(match, { candidate: candidate.length, requested: this.#size, common })
  }
}

/** Decides a match from the sizes of the candidate set, the requested set and what they have in common. */
export function isMatch(
  match: SetMatch,
  sizes: { readonly candidate: number; readonly requested: number; readonly common: number },
): boolean {
  const { candidate, requested, common } = sizes
  switch (match) {
    case 'exact':
      return common === candidate && common === requested
    case 'subset':
      return candidate > 0 && common === candidate
    case 'superset':
      return common === requested
    case 'any':
      return common > 0
    default:
      return match satisfies never
  }
}
