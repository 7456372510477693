import { selectorKey } from '../model/selector.ts'
import type { NewEntry } from './entry-draft.ts'

/**
 * Entries that are being created right now, by what makes two entries similar (SPIFFE ID, parent ID and set of selectors) and
 * by the ID that was asked for.
 *
 * The registry knows committed entries only. Without this, two callers at once would both find nothing similar.
 */
export class PendingEntries {
  readonly #pending = new Map<string, Promise<void>>()

  /**
   * Claims an entry by all of its keys for the caller, who then commits it and calls what is returned; or returns undefined
   * when one of them is claimed already.
   */
  claim(keys: readonly string[]): (() => void) | undefined {
    if (keys.some((key) => this.#pending.has(key))) return undefined
    let finish: () => void = () => {}
    const done = new Promise<void>((resolve) => {
      finish = resolve
    })
    for (const key of keys) this.#pending.set(key, done)
    return () => {
      for (const key of keys) this.#pending.delete(key)
      finish()
    }
  }

  /** Resolves when nobody who had claimed one of these keys is creating such an entry any more. */
  async settled(keys: readonly string[]): Promise<void> {
    for (const key of keys) await this.#pending.get(key)
  }
}

/** What an entry that is being created excludes others from: its similarity, and its ID when it asks for one. */
export function claimKeys(entry: NewEntry): readonly string[] {
  const similarity = similarityKey(entry)
  return entry.id === '' ? [similarity] : [similarity, `id\n${entry.id}`]
}

/** Equal exactly for similar entries: no ID has a line feed, and the parts of a selector are told apart by their lengths. */
export function similarityKey({ spiffeId, parentId, selectors }: NewEntry): string {
  const keys = selectors.map((selector) => `${selector.type.length}:${selectorKey(selector)}`)
  const set = [...new Set(keys)].sort().map((key) => `${key.length}:${key}`)
  return `${spiffeId}\n${parentId}\n${set.join('')}`
}
