import type { RecordKind } from '../store.ts'

/** What the store itself remembers of a record. */
export interface RecordSlot {
  readonly createdRevision: number
  /** Hash of its canonical encoding. */
  readonly hash: string
}

/** Which records there are, with their hashes: what expectations are checked against. Some 140 bytes a record. */
export class RecordIndex {
  readonly #slots: { readonly [Kind in RecordKind]: Map<string, RecordSlot> } = {
    entry: new Map(),
    node: new Map(),
    bundle: new Map(),
    'join-token': new Map(),
    'ca-journal': new Map(),
    'federation-relationship': new Map(),
    'used-token': new Map(),
  }

  get size(): number {
    return Object.values(this.#slots).reduce((sum, slots) => sum + slots.size, 0)
  }

  get(kind: RecordKind, key: string): RecordSlot | undefined {
    return this.#slots[kind].get(key)
  }

  set(kind: RecordKind, key: string, slot: RecordSlot | undefined): void {
    if (slot === undefined) this.#slots[kind].delete(key)
    else this.#slots[kind].set(key, slot)
  }
}
