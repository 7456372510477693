import type { Clock, Timer } from '@mini-spire/runtime/clock'
import type { Logger } from '@mini-spire/runtime/log/logger'
import { messageOf } from '@mini-spire/sdk/errors'
import { groupSpanMs, readIssuances } from '../format/issuance-codec.ts'
import type { IssuanceLog, IssuanceRecord } from '../store.ts'
import type { Backend } from './backend.ts'
import { type IssuanceGroup, IssuanceGroups } from './issuance-groups.ts'

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
const writeDelayMs = 200

/** So many records are written without waiting for more, and hardly more in one go. */
const maxWrittenRecords = 2000

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
  readonly #waiting = new IssuanceGroups()
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
    return this.#isDue && this.#waiting.count > 0
  }

  /** Values that begin before this instant should be removed; undefined: none need to be now. */
  get pruneBeforeMs(): number | undefined {
    if (!this.#isPruneDue) return undefined
    // The last record of a group is up to a second younger, and is kept its time.
    return this.#options.clock.nowMs() - this.#options.retentionMs - groupSpanMs
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
    if (this.#waiting.count >= maxWaitingRecords) {
      this.#dropped++
      return
    }
    this.#waiting.append(record, this.#options.clock.nowMs())
    if (this.#waiting.count >= maxWrittenRecords) this.#becomeDue()
    else this.#timer ??= this.#options.clock.setTimer(writeDelayMs, () => this.#becomeDue())
  }

  flush(): Promise<void> {
    if (this.#waiting.count === 0) return Promise.resolve()
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
    // Values are found by their first record.
    const { fromMs, toMs } = range
    for await (const chunk of this.#options.backend.issuance(fromMs - groupSpanMs, toMs)) {
      for (const { timeMs: firstMs, bytes } of chunk) {
        for (const { timeMs, record } of readIssuances(firstMs, bytes)) {
          if (timeMs >= fromMs && timeMs < toMs) yield record
        }
      }
    }
  }

  /** For the writer: what is to be written next. */
  take(): readonly IssuanceGroup[] {
    return this.#waiting.take(maxWrittenRecords)
  }

  /** For the writer: what was taken is on disk. */
  written(): void {
    if (this.#waiting.count > 0) return
    this.#isDue = false
    for (const { resolve } of this.#flushes.splice(0)) resolve()
    if (this.#dropped === 0) return
    this.#options.log.error('Issuance records were dropped while the store could not be written', {
      count: this.#dropped,
    })
    this.#dropped = 0
  }

  /** For the writer: what was taken is not on disk; it waits again, for the store to be writable. */
  failed(groups: readonly IssuanceGroup[], error: unknown): void {
    this.#waiting.putBack(groups)
    this.#options.log.error('Issuance records are not written yet', {
      count: this.#waiting.count,
      error: messageOf(error),
    })
    for (const { reject } of this.#flushes.splice(0)) reject(error)
  }

  /** Writes what waits, if it can be written. */
  async stop(): Promise<void> {
    this.#timer?.cancel()
    this.#pruneTimer?.cancel()
    await this.flush().catch((error) => {
      const count = this.#waiting.count
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
