import { BinaryWriter } from '../format/binary-writer.ts'
import { beginIssuanceGroup, groupSpanMs, writeIssuance } from '../format/issuance-codec.ts'
import type { IssuanceRecord } from '../store.ts'
import type { StoredIssuance } from './backend.ts'

/** Records that are stored as one value. */
export interface IssuanceGroup extends StoredIssuance {
  readonly count: number
}

/** A damaged value costs its whole group, and a reader holds one in memory: groups stay small. */
const maxGroupBytes = 32 * 1024

/**
 * Issuance records that wait to be written, encoded as they come: one value holds what was appended within a second, because
 * each value costs the database as much as twenty records do.
 */
export class IssuanceGroups {
  readonly #writer = new BinaryWriter()
  #closed: IssuanceGroup[] = []
  #closedCount = 0
  #openCount = 0
  #openedMs = 0

  /** How many records wait. */
  get count(): number {
    return this.#closedCount + this.#openCount
  }

  append(record: IssuanceRecord, timeMs: number): void {
    const afterFirstMs = timeMs - this.#openedMs
    // A clock that was set back begins a new group too: keys are instants.
    const isInTime = afterFirstMs >= 0 && afterFirstMs < groupSpanMs
    if (!isInTime || this.#writer.length >= maxGroupBytes) this.#close()
    if (this.#openCount === 0) {
      this.#openedMs = timeMs
      beginIssuanceGroup(this.#writer)
    }
    writeIssuance(this.#writer, record, timeMs - this.#openedMs)
    this.#openCount++
  }

  /** Takes the oldest groups, of so many records that there are no fewer, or all. */
  take(records: number): readonly IssuanceGroup[] {
    this.#close()
    let taken = 0
    let groups = 0
    for (const { count } of this.#closed) {
      if (taken >= records) break
      taken += count
      groups++
    }
    this.#closedCount -= taken
    return this.#closed.splice(0, groups)
  }

  /** Takes back what could not be written. */
  putBack(groups: readonly IssuanceGroup[]): void {
    this.#closed = [...groups, ...this.#closed]
    for (const { count } of groups) this.#closedCount += count
  }

  #close(): void {
    if (this.#openCount === 0) return
    this.#closed.push({
      timeMs: this.#openedMs,
      bytes: this.#writer.take(),
      count: this.#openCount,
    })
    this.#closedCount += this.#openCount
    this.#openCount = 0
    this.#writer.reset()
  }
}
