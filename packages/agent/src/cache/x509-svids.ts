import type { WorkloadX509Svid } from '../model/svid.ts'

interface Slot {
  readonly svid: WorkloadX509Svid
  lastUsedMs: number
}

/** Signed X509-SVIDs by entry ID. The size is soft: what somebody waits for stays, whatever the size. */
export class X509Svids {
  readonly #slots = new Map<string, Slot>()
  readonly #lastUsedMs = new Map<string, number>()

  get size(): number {
    return this.#slots.size
  }

  find(entryId: string): WorkloadX509Svid | undefined {
    return this.#slots.get(entryId)?.svid
  }

  *entries(): IterableIterator<readonly [string, WorkloadX509Svid]> {
    for (const [id, slot] of this.#slots) yield [id, slot.svid]
  }

  set(entryId: string, svid: WorkloadX509Svid): void {
    const lastUsedMs = this.#slots.get(entryId)?.lastUsedMs ?? this.#lastUsedMs.get(entryId) ?? 0
    this.#lastUsedMs.delete(entryId)
    this.#slots.set(entryId, { svid, lastUsedMs })
  }

  delete(entryId: string): boolean {
    this.#lastUsedMs.delete(entryId)
    return this.#slots.delete(entryId)
  }

  /** Notes that a stream was opened for the entry; also before its SVID is signed. */
  touch(entryId: string, nowMs: number): void {
    const slot = this.#slots.get(entryId)
    if (slot) slot.lastUsedMs = nowMs
    else this.#lastUsedMs.set(entryId, nowMs)
  }

  /** Drops the longest unused beyond the size, but none that `isNeeded`. Returns what was dropped. */
  trim(maxSize: number, isNeeded: (entryId: string) => boolean): readonly string[] {
    const excess = this.#slots.size - maxSize
    if (excess <= 0) return []
    const dropped = [...this.#slots]
      .filter(([id]) => !isNeeded(id))
      .sort(([, a], [, b]) => a.lastUsedMs - b.lastUsedMs)
      .slice(0, excess)
      .map(([id]) => id)
    for (const id of dropped) this.#slots.delete(id)
    return dropped
  }
}
