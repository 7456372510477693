import { SetDigest } from '@mini-spire/runtime/set-digest'
import type { RegistrationEntry } from '../model/registration-entry.ts'
import type { AuthorizedEntries } from '../registry/authorized-entries.ts'
import type { SetChange } from './push-encoder.ts'

/** Entries digested in one turn of the event loop; each costs a microsecond. */
const entriesPerTurn = 2_000

/** An authorized set as agents were last told it, with its digest: what the next change is found against. */
export class HeldSet {
  readonly #entries = new Map<string, RegistrationEntry>()
  readonly #digest = new SetDigest()
  /** How many entries federate with a trust domain. */
  readonly #federated = new Map<string, number>()
  #lineage = 0

  /** Takes in a whole set, letting others have their turn in between; what changed meanwhile is for {@link change}. */
  static async build(view: AuthorizedEntries): Promise<HeldSet> {
    const set = new HeldSet()
    const entries = view.entries()
    for (let start = 0; start < entries.length; start += entriesPerTurn) {
      if (start > 0) await new Promise((resolve) => setImmediate(resolve))
      for (const entry of entries.slice(start, start + entriesPerTurn)) set.#put(entry)
    }
    return set
  }

  get size(): number {
    return this.#entries.size
  }

  /** Every entry, in an array of its own. */
  entries(): readonly RegistrationEntry[] {
    return [...this.#entries.values()]
  }

  /** Names of the trust domains that entries federate with. */
  federatedNames(): Iterable<string> {
    return this.#federated.keys()
  }

  federatesWith(name: string): boolean {
    return this.#federated.has(name)
  }

  digest(epoch: string): Uint8Array {
    return this.#digest.digest(epoch)
  }

  /**
   * Becomes what the view shows, and says what that changed.
   *
   * @param changedIds entries that were created, changed or deleted since the last call; undefined: any may have been
   */
  change(view: AuthorizedEntries, changedIds: Iterable<string> | undefined): SetChange {
    const changed: RegistrationEntry[] = []
    const removedIds: string[] = []
    if (changedIds !== undefined && view.lineage === this.#lineage) {
      for (const id of changedIds) {
        const entry = view.find(id)
        if (entry === this.#entries.get(id)) continue
        if (entry) changed.push(entry)
        else removedIds.push(id)
      }
    } else {
      for (const id of this.#entries.keys()) if (!view.find(id)) removedIds.push(id)
      for (const entry of view.entries()) {
        if (this.#entries.get(entry.id) !== entry) changed.push(entry)
      }
    }
    this.#lineage = view.lineage
    for (const id of removedIds) this.#remove(id)
    for (const entry of changed) this.#put(entry)
    return { changed, removedIds }
  }

  #put(entry: RegistrationEntry): void {
    this.#remove(entry.id)
    this.#entries.set(entry.id, entry)
    this.#digest.add(entry)
    for (const { name } of entry.federatesWith)
      this.#federated.set(name, (this.#federated.get(name) ?? 0) + 1)
  }

  #remove(id: string): void {
    const entry = this.#entries.get(id)
    if (entry === undefined) return
    this.#entries.delete(id)
    this.#digest.remove(entry)
    for (const { name } of entry.federatesWith) {
      const left = (this.#federated.get(name) ?? 0) - 1
      if (left > 0) this.#federated.set(name, left)
      else this.#federated.delete(name)
    }
  }
}
