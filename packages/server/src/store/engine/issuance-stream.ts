import type { Clock, Timer } from '@mini-spire/runtime/clock'
import type { Logger } from '@mini-spire/runtime/log/logger'
import { messageOf } from '@mini-spire/sdk/errors'
import { BinaryWriter } from '../format/binary-writer.ts'
import { readIssuance, writeIssuance } from '../format/issuance-codec.ts'
import type { IssuanceLog, IssuanceRecord } from '../store.ts'
import type { Backend, StoredIssuance } from './backend.ts'

/** Options of {@link IssuanceStream}. */
export interface IssuanceStreamOptions {
  readonly clock: Clock
  readonly log: Logger
  readonly backend: Backend
  readonly retentionMs: number
  /** Why nothing can be written now, if so. */
  readonly refusal: () => Error | undefined
  /** Asks the store's one writer to come and take what waits. */
  readonly requestWrite: () => void
}

/** How long a record waits for others before it is written. */
const groupDelayMs = 200

/** Records written in one go at most. */
const maxGroupRecords = 2000

/** Records that wait for a disk that cannot be written; further ones are dropped. */
const maxWaitingRecords = 100_000

const pruneIntervalMs = 3_600_000

interface Flush {
  readonly resolve: () => void
  readonly reject: (error: unknown) => void
}

/** The issuance stream of a store: appended in memory, written in groups when no commit waits. */
export class IssuanceStream implements IssuanceLog {
  readonly #options: IssuanceStreamOptions
  readonly #writer = new BinaryWriter()
  #waiting: StoredIssuance[] = []
  #flushes: Flush[] = []
  #timer: Timer | undefined
  #pruneTimer: Timer | undefined
  #isDue = false
  #isPruneDue = false
  #dropped = 0

  constructor(options: IssuanceStreamOptions) {
    this.#options = options
  }

  /** Whether there is something that should be written now. */
  get isDue(): boolean {
    return this.#isDue && this.#waiting.length > 0
  }

  /** Records appended before this instant should be removed; undefined: none need to be now. */
  get pruneBeforeMs(): number | undefined {
    if (!this.#isPruneDue) return undefined
    return this.#options.clock.nowMs() - this.#options.retentionMs
  }

  /** Begins to remove old records, now and every hour. */
  start(): void {
    this.#isPruneDue = true
    this.#options.requestWrite()
    this.#pruneTimer = this.#options.clock.setTimer(pruneIntervalMs, () => this.start())
  }

  /** For the writer: everything old is removed. */
  pruned(): void {
    this.#isPruneDue = false
  }

  append(record: IssuanceRecord): void {
    if (this.#waiting.length >= maxWaitingRecords) {
      this.#dropped++
      return
    }
    this.#writer.reset()
    writeIssuance(this.#writer, record)
    const timeMs = this.#options.clock.nowMs()
    this.#waiting.push({ timeMs, bytes: this.#writer.take() })
    if (this.#waiting.length >= maxGroupRecords) this.#becomeDue()
    else this.#timer ??= this.#options.clock.setTimer(groupDelayMs, () => this.#becomeDue())
  }

  flush(): Promise<void> {
    if (this.#waiting.length === 0) return Promise.resolve()
    const refusal = this.#options.refusal()
    if (refusal) return Promise.reject(refusal)
    return new Promise((resolve, reject) => {
      this.#flushes.push({ resolve, reject })
      this.#becomeDue()
    })
  }

  async *list(range: {
    readonly fromMs: number
    readonly toMs: number
  }): AsyncGenerator<IssuanceRecord, void> {
    for await (const chunk of this.#options.backend.issuance(range.fromMs, range.toMs)) {
      for (const { bytes } of chunk) yield readIssuance(bytes)
    }
  }

  /** For the writer: the next group. */
  take(): readonly StoredIssuance[] {
    return this.#waiting.splice(0, maxGroupRecords)
  }

  /** For the writer: the group that was taken is on disk. */
  written(): void {
    if (this.#waiting.length > 0) return
    this.#isDue = false
    for (const { resolve } of this.#flushes.splice(0)) resolve()
    if (this.#dropped === 0) return
    this.#options.log.error('Issuance records were dropped while the store could not be written', {
      count: this.#dropped,
    })
    this.#dropped = 0
  }

  /** For the writer: the group is not on disk; it waits again, for the store to be writable. */
  failed(batch: readonly StoredIssuance[], error: unknown): void {
    this.#waiting = [...batch, ...this.#waiting]
    this.#options.log.error('Issuance records are not written yet', {
      count: this.#waiting.length,
      error: messageOf(error),
    })
    for (const { reject } of this.#flushes.splice(0)) reject(error)
  }

  /** Writes what waits, if it can be written. */
  async stop(): Promise<void> {
    this.#timer?.cancel()
    this.#pruneTimer?.cancel()
    await this.flush().catch((error) => {
      const count = this.#waiting.length
      this.#options.log.error('Issuance records are lost', { count, error: messageOf(error) })
    })
  }

  #becomeDue(): void {
    this.#timer?.cancel()
    this.#timer = undefined
    this.#isDue = true
    this.#options.requestWrite()
  }
}
