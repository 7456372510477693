import type {
  Backend,
  BackendWrite,
  LogSegment,
  RecordPlace,
  StoredIssuance,
  StoredRecord,
} from '../engine/backend.ts'
import type { Head } from '../engine/head.ts'

/** A backend without a disk, for tests. It forgets nothing while the process lives, closing and opening included. */
export class MemoryBackend implements Backend {
  readonly #epoch: string
  readonly #records = new Map<string, StoredRecord>()
  readonly #segments: LogSegment[] = []
  #issuance: StoredIssuance[] = []
  #acknowledged: Head | undefined

  constructor(epoch: string) {
    this.#epoch = epoch
  }

  open(): Promise<string> {
    return Promise.resolve(this.#epoch)
  }

  async *segments(fromRevision: number): AsyncGenerator<readonly LogSegment[], void> {
    const later = this.#segments.findIndex(({ firstRevision }) => firstRevision > fromRevision)
    const first = later < 0 ? this.#segments.length - 1 : later - 1
    yield this.#segments.slice(Math.max(first, 0))
  }

  async *records(): AsyncGenerator<readonly Uint8Array[], void> {
    yield [...this.#records.values()]
      .sort((a, b) => a.kind - b.kind || a.createdRevision - b.createdRevision)
      .map(({ bytes }) => bytes)
  }

  async *issuance(fromMs: number, toMs: number): AsyncGenerator<readonly StoredIssuance[], void> {
    yield this.#issuance.filter(({ timeMs }) => timeMs >= fromMs && timeMs < toMs)
  }

  write(write: BackendWrite): Promise<void> {
    for (const record of write.puts) this.#records.set(nameOf(record), record)
    for (const place of write.deletes) this.#records.delete(nameOf(place))
    if (write.segment) this.#segments.push(write.segment)
    for (const record of write.issuance) this.#issuance.push(record)
    return Promise.resolve()
  }

  acknowledge(head: Head): void {
    this.#acknowledged = head
  }

  acknowledged(): Head | undefined {
    return this.#acknowledged
  }

  pruneIssuance(beforeMs: number): Promise<boolean> {
    this.#issuance = this.#issuance.filter(({ timeMs }) => timeMs >= beforeMs)
    return Promise.resolve(false)
  }

  close(): Promise<void> {
    return Promise.resolve()
  }
}

function nameOf(place: RecordPlace): string {
  return `${place.kind}\n${place.createdRevision}`
}
