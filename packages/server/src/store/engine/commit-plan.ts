import { BinaryWriter } from '../format/binary-writer.ts'
import { type ChangeFields, writeChange } from '../format/change-codec.ts'
import { sha256 } from '../format/hash.ts'
import { numberOfKind, recordKeyOf, writeRecord } from '../format/record-codec.ts'
import type {
  AppliedChange,
  Cause,
  Mutation,
  Put,
  RecordKind,
  Transaction,
  UpcomingState,
} from '../store.ts'
import { StoreError } from '../store-error.ts'
import type { BackendWrite, RecordPlace, StoredRecord } from './backend.ts'
import type { Head } from './head.ts'
import type { RecordIndex, RecordSlot } from './record-index.ts'

/** What a plan starts from. */
export interface PlanOptions {
  readonly index: RecordIndex
  readonly epoch: string
  readonly head: Head
  readonly timeMs: number
}

interface Staged {
  readonly mutation: Mutation
  readonly before: RecordSlot | undefined
  readonly after: RecordSlot | undefined
  readonly bytes: Uint8Array | undefined
}

/**
 * Turns transactions into one atomic write: checks what each expects, against what is stored and what the transactions
 * before it will have changed, and appends its changes to the chain. Nothing is touched until the write is done.
 */
export class CommitPlan {
  readonly #options: PlanOptions
  readonly #records = new BinaryWriter()
  readonly #changes = new BinaryWriter()
  readonly #frames = new BinaryWriter()
  /** By kind and key: what the transactions planned so far have made of a record. */
  readonly #planned = new Map<string, { readonly slot: RecordSlot | undefined }>()
  readonly #puts = new Map<string, StoredRecord>()
  readonly #deletes: RecordPlace[] = []
  readonly #applied: AppliedChange[] = []
  #head: Head

  constructor(options: PlanOptions) {
    this.#options = options
    this.#head = options.head
  }

  /** The newest change, once the write is done. */
  get head(): Head {
    return this.#head
  }

  get applied(): readonly AppliedChange[] {
    return this.#applied
  }

  /** Plans a transaction; returns what refuses it, in which case nothing of it is planned. */
  add(transaction: Transaction): StoreError | undefined {
    if (transaction.holds?.(this.#upcoming()) === false)
      return new StoreError('ERR_RECORD_CHANGED', 'what the change rests on was changed meanwhile')
    const staged = new Map<string, Staged>()
    let revision = this.#head.revision
    const steps: Staged[] = []
    for (const mutation of transaction.mutations) {
      const name = nameOf(mutation.kind, mutation.key)
      const earlier = staged.get(name)
      const before = earlier ? earlier.after : this.#slot(mutation.kind, mutation.key, name)
      const refusal = this.#check(mutation, before)
      if (refusal) return refusal
      if (mutation.op === 'delete' && before === undefined) continue
      revision++
      const step = this.#stage(mutation, before, revision)
      staged.set(name, step)
      steps.push(step)
    }
    for (const step of steps) this.#accept(step, transaction.cause)
    return undefined
  }

  /** The write, or undefined when no transaction changes anything. */
  write(): BackendWrite | undefined {
    if (this.#applied.length === 0) return undefined
    return {
      puts: [...this.#puts.values()],
      deletes: this.#deletes,
      segment: { firstRevision: this.#options.head.revision + 1, bytes: this.#frames.take() },
      issuance: [],
    }
  }

  /** Makes the index say what has been written. */
  applyToIndex(): void {
    for (const { kind, key } of this.#applied) {
      const planned = this.#planned.get(nameOf(kind, key))
      if (planned) this.#options.index.set(kind, key, planned.slot)
    }
  }

  #upcoming(): UpcomingState {
    return {
      isPresent: (kind, key) => this.#slot(kind, key, nameOf(kind, key)) !== undefined,
      unheard: this.#applied,
    }
  }

  #slot(kind: RecordKind, key: string, name: string): RecordSlot | undefined {
    const planned = this.#planned.get(name)
    return planned ? planned.slot : this.#options.index.get(kind, key)
  }

  #check(mutation: Mutation, slot: RecordSlot | undefined): StoreError | undefined {
    const { kind, key, expect } = mutation
    if (expect === 'any') return undefined
    if (expect === 'absent') {
      if (slot === undefined) return undefined
      return new StoreError('ERR_RECORD_EXISTS', `${kind} "${key}" already exists`)
    }
    if (slot === undefined) {
      return new StoreError('ERR_RECORD_NOT_FOUND', `${kind} "${key}" does not exist`)
    }
    if (expect === 'present') return undefined
    this.#records.reset()
    writeRecord(this.#records, kind, expect.unchanged)
    if (sha256(this.#records.view()) === slot.hash) return undefined
    return new StoreError('ERR_RECORD_CHANGED', `${kind} "${key}" was changed meanwhile`)
  }

  #stage(mutation: Mutation, before: RecordSlot | undefined, revision: number): Staged {
    if (mutation.op === 'delete') return { mutation, before, after: undefined, bytes: undefined }
    const bytes = this.#encode(mutation)
    const createdRevision = before?.createdRevision ?? revision
    return { mutation, before, after: { createdRevision, hash: sha256(bytes) }, bytes }
  }

  #encode<Kind extends RecordKind>({ kind, key, value }: Put<Kind>): Uint8Array {
    if (recordKeyOf(kind, value) !== key) throw new Error(`${kind} is put under a foreign key`)
    this.#records.reset()
    writeRecord(this.#records, kind, value)
    return this.#records.take()
  }

  #accept(step: Staged, cause: Cause): void {
    const { mutation, before, after, bytes } = step
    const { kind, key } = mutation
    const revision = this.#head.revision + 1
    const createdRevision = (after ?? before)?.createdRevision ?? revision
    const place = { kind: numberOfKind(kind), createdRevision }
    if (bytes) this.#puts.set(placeName(place), { ...place, bytes })
    else if (this.#isStored(place, before)) this.#deletes.push(place)
    this.#planned.set(nameOf(kind, key), { slot: after })
    this.#append({
      epoch: this.#options.epoch,
      revision,
      timeMs: this.#options.timeMs,
      cause,
      kind,
      key,
      createdRevision,
      before: before?.hash,
      after: after?.hash,
      previous: this.#head.hash,
    })
    const position = { epoch: this.#options.epoch, revision }
    const value = mutation.op === 'put' ? mutation.value : undefined
    const applied = { kind, key, value, encoded: bytes, position, createdRevision }
    this.#applied.push(applied as AppliedChange)
  }

  /** A record that this very plan creates is taken out of it; only one that is stored is removed. */
  #isStored(place: RecordPlace, before: RecordSlot | undefined): boolean {
    this.#puts.delete(placeName(place))
    return before !== undefined && before.createdRevision <= this.#options.head.revision
  }

  #append(change: ChangeFields): void {
    this.#changes.reset()
    writeChange(this.#changes, change)
    const bytes = this.#changes.view()
    this.#frames.bytes(bytes)
    this.#head = { revision: change.revision, hash: sha256(bytes) }
  }
}

function nameOf(kind: RecordKind, key: string): string {
  return `${kind}\n${key}`
}

function placeName(place: RecordPlace): string {
  return `${place.kind}\n${place.createdRevision}`
}
