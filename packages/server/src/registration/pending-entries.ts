import { selectorKey } from '../model/selector.ts'
import type { NewEntry } from './entry-draft.ts'

/**
 * Entries that are being created right now, by what makes two entries similar: SPIFFE ID, parent ID and set of selectors.
 *
 * The registry knows committed entries only. Without this, two callers at once would both find nothing similar.
 */
export class PendingEntries {
  readonly #pending = new Map<string, Promise<void>>()

  /**
   * Claims an entry for the caller, who then commits it and calls what is returned; or returns undefined when a similar one
   * is being created.
   */
  claim(key: string): (() => void) | undefined {
    if (this.#pending.has(key)) return undefined
    let finish: () => void = () => {}
    this.#pending.set(
      key,
      new Promise((resolve) => {
        finish = resolve
      }),
    )
    return () => {
      this.#pending.delete(key)
      finish()
    }
  }

  /** Resolves when nobody is creating such an entry any more. */
  async settled(key: string): Promise<void> {
    await this.#pending.get(key)
  }
}

/** Equal exactly for similar entries: no ID has a line feed, and the parts of a selector are told apart by their lengths. */
export function similarityKey({ spiffeId, parentId, selectors }: NewEntry): string {
  const keys = selectors.map((selector) => `${selector.type.length}:${selectorKey(selector)}`)
  const set = [...new Set(keys)].sort().map((key) => `${key.length}:${key}`)
  return `${spiffeId}\n${parentId}\n${set.join('')}`
}
