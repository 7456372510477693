import type { Clock } from '@mini-spire/runtime/clock'
import type { Logger } from '@mini-spire/runtime/log/logger'
import { messageOf } from '@mini-spire/sdk/errors'
import { BinaryReader } from '../format/binary-reader.ts'
import { readChange } from '../format/change-codec.ts'
import type { AppliedChange, Change, IssuanceLog, Position, Store, Transaction } from '../store.ts'
import { StoreError } from '../store-error.ts'
import type { Backend, BackendWrite } from './backend.ts'
import { CommitPlan } from './commit-plan.ts'
import { emptyHead, type Head } from './head.ts'
import { IssuanceStream } from './issuance-stream.ts'
import { RecordIndex } from './record-index.ts'
import { replay } from './replay.ts'

/** Options of {@link LogStore}. */
export interface LogStoreOptions {
  readonly backend: Backend
  readonly clock: Clock
  readonly log: Logger
  /** How long issuance records are kept. */
  readonly issuanceRetentionMs: number
}

/** Mutations that are written in one go at most; a transaction is never split. */
const maxGroupMutations = 2000

/** Commits that may wait for the disk; further ones are refused. */
const maxWaitingCommits = 10_000

/** After a failed write: how long until the store is opened again, doubled after each failure. */
const reopenDelayMs = { first: 250, longest: 5000 }

type Listener = (changes: readonly AppliedChange[]) => void
type Results = readonly (StoreError | undefined)[]

interface Waiting {
  readonly transactions: readonly Transaction[]
  readonly resolve: (results: Results) => void
  readonly reject: (error: unknown) => void
}

/**
 * A {@link Store} over any {@link Backend}: one writer, which groups the commits that wait into one atomic write.
 *
 * After a failed write nothing more is written: what came after it could be acknowledged and still be lost. Commits are
 * refused with the reason while the backend is opened and replayed anew, again and again until that succeeds. Should the
 * failed write turn out to have reached the disk after all, its changes are applied then.
 */
export class LogStore implements Store {
  readonly issuance: IssuanceLog
  readonly #backend: Backend
  readonly #clock: Clock
  readonly #log: Logger
  readonly #stream: IssuanceStream
  readonly #waiting: Waiting[] = []
  #listener: Listener | undefined
  #epoch = ''
  #head: Head = emptyHead
  #index = new RecordIndex()
  #failure: StoreError | undefined
  #reopenDelayMs = reopenDelayMs.first
  #reopening: Promise<void> | undefined
  #writing: Promise<void> | undefined
  #isClosed = false

  constructor(options: LogStoreOptions) {
    const { backend, clock, log } = options
    this.#backend = backend
    this.#clock = clock
    this.#log = log
    this.#stream = new IssuanceStream({
      clock,
      log,
      backend,
      retentionMs: options.issuanceRetentionMs,
      refusal: () => this.#failure,
      requestWrite: () => this.#startWriting(),
    })
    this.issuance = this.#stream
  }

  get writeFailure(): Error | undefined {
    return this.#failure
  }

  position(): Position {
    return { epoch: this.#epoch, revision: this.#head.revision }
  }

  async open(listener: Listener): Promise<void> {
    if (this.#listener) throw new Error('a store is opened once')
    this.#listener = listener
    try {
      await this.#load()
    } catch (error) {
      this.#isClosed = true
      await this.#backend.close()
      throw error
    }
    this.#stream.start()
  }

  commit(transactions: readonly Transaction[]): Promise<Results> {
    const refusal = this.#refusal()
    if (refusal) return Promise.reject(refusal)
    return new Promise((resolve, reject) => {
      this.#waiting.push({ transactions, resolve, reject })
      this.#startWriting()
    })
  }

  async *changes(fromRevision: number): AsyncGenerator<Change, void> {
    for await (const segments of this.#backend.segments(fromRevision)) {
      for (const segment of segments) {
        const frames = new BinaryReader(segment.bytes)
        while (!frames.isAtEnd) {
          const change = readChange(frames.raw(frames.unsigned()))
          if (change.position.revision >= fromRevision) yield change
        }
      }
    }
  }

  async close(): Promise<void> {
    if (this.#isClosed) return
    this.#isClosed = true
    await this.#stream.stop()
    await this.#writing
    await this.#reopening
    await this.#backend.close()
  }

  #refusal(): StoreError | undefined {
    if (this.#isClosed || !this.#listener) return unavailable('the store is closed')
    if (this.#failure) return this.#failure
    if (this.#waiting.length < maxWaitingCommits) return undefined
    return unavailable('too many writes are waiting for the disk')
  }

  async #load(): Promise<void> {
    const epoch = await this.#backend.open()
    const listener = this.#listener ?? (() => {})
    const known = this.#head
    const replayed = await replay({ backend: this.#backend, epoch, known, listener })
    this.#epoch = replayed.epoch
    this.#head = replayed.head
    this.#index = replayed.index
    this.#backend.acknowledge(this.#head)
  }

  #startWriting(): void {
    this.#writing ??= this.#writeAll().finally(() => {
      this.#writing = undefined
      if (this.#hasWork()) this.#startWriting()
    })
  }

  #hasWork(): boolean {
    if (this.#failure) return false
    return (
      this.#waiting.length > 0 || this.#stream.isDue || this.#stream.pruneBeforeMs !== undefined
    )
  }

  /** Commits come before issuance records, however many of those wait. */
  async #writeAll(): Promise<void> {
    // What is committed in the same turn goes into the same group.
    await Promise.resolve()
    while (this.#hasWork()) {
      if (this.#waiting.length > 0) await this.#writeGroup(this.#takeGroup())
      else if (this.#stream.isDue) await this.#writeIssuance()
      else await this.#pruneIssuance(this.#stream.pruneBeforeMs ?? 0)
    }
  }

  #takeGroup(): readonly Waiting[] {
    let mutations = 0
    let count = 0
    for (const { transactions } of this.#waiting) {
      for (const transaction of transactions) mutations += transaction.mutations.length
      if (count > 0 && mutations > maxGroupMutations) break
      count++
    }
    return this.#waiting.splice(0, count)
  }

  async #writeGroup(group: readonly Waiting[]): Promise<void> {
    const plan = new CommitPlan({
      index: this.#index,
      epoch: this.#epoch,
      head: this.#head,
      timeMs: this.#clock.nowMs(),
    })
    try {
      const results = group.map(({ transactions }) =>
        transactions.map((transaction) => plan.add(transaction)),
      )
      const write = plan.write()
      if (write) await this.#write(write)
      if (write) this.#apply(plan)
      group.forEach(({ resolve }, at) => {
        resolve(results[at] ?? [])
      })
    } catch (error) {
      for (const { reject } of group) reject(error)
    }
  }

  #apply(plan: CommitPlan): void {
    plan.applyToIndex()
    this.#head = plan.head
    this.#backend.acknowledge(this.#head)
    this.#listener?.(plan.applied)
  }

  async #writeIssuance(): Promise<void> {
    const batch = this.#stream.take()
    try {
      await this.#write({ puts: [], deletes: [], segment: undefined, issuance: batch })
      this.#stream.written()
    } catch (error) {
      this.#stream.failed(batch, error)
    }
  }

  async #pruneIssuance(beforeMs: number): Promise<void> {
    try {
      const isMore = await this.#backend.pruneIssuance(beforeMs)
      if (!isMore) this.#stream.pruned()
    } catch (error) {
      this.#fail(error)
    }
  }

  async #write(write: BackendWrite): Promise<void> {
    try {
      await this.#backend.write(write)
    } catch (cause) {
      this.#fail(cause)
      throw this.#failure
    }
  }

  #fail(cause: unknown): void {
    this.#failure = unavailable(`the store cannot be written: ${messageOf(cause)}`, cause)
    const error = messageOf(cause)
    this.#log.error('Store cannot be written; changes are refused until it can', {
      error,
      ...(isFullDisk(error) && { advice: 'make space on this disk; a restart is not needed' }),
    })
    for (const { reject } of this.#waiting.splice(0)) reject(this.#failure)
    this.#reopenDelayMs = reopenDelayMs.first
    this.#reopenLater()
  }

  #reopenLater(): void {
    this.#clock.setTimer(this.#reopenDelayMs, () => {
      this.#reopening = this.#reopen().finally(() => {
        this.#reopening = undefined
      })
    })
    this.#reopenDelayMs = Math.min(this.#reopenDelayMs * 2, reopenDelayMs.longest)
  }

  async #reopen(): Promise<void> {
    if (this.#isClosed) return
    try {
      await this.#backend.close()
      await this.#load()
    } catch (cause) {
      this.#failure = unavailable(`the store cannot be opened again: ${messageOf(cause)}`, cause)
      this.#log.warn('Store cannot be opened again yet', { error: messageOf(cause) })
      this.#reopenLater()
      return
    }
    this.#failure = undefined
    this.#log.info('Store can be written again', { revision: this.#head.revision })
    this.#startWriting()
  }
}

/** As the database and Node word it. */
function isFullDisk(error: string): boolean {
  return error.includes('No space left on device') || error.includes('ENOSPC')
}

function unavailable(message: string, cause?: unknown): StoreError {
  return new StoreError('ERR_STORE_UNAVAILABLE', message, { cause })
}
