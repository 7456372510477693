import type { RegistrationEntry } from '../../model/registration-entry.ts'
import { asBuffer, BinaryReader } from '../format/binary-reader.ts'
import { readChangeLink } from '../format/change-codec.ts'
import { EntryLayout } from '../format/entry-layout.ts'
import { sha256 } from '../format/hash.ts'
import { IdReader } from '../format/id-codec.ts'
import { kindOfNumber, numberOfKind, readRecord, recordKeyOf } from '../format/record-codec.ts'
import type { AppliedChange, Position, RecordKind, Records } from '../store.ts'
import { StoreError } from '../store-error.ts'
import type { Backend, LogSegment } from './backend.ts'
import { emptyHead, type Head } from './head.ts'
import { LinkLayout } from './link-layout.ts'
import { isHashAt, type KeySpan, RecordIndex } from './record-index.ts'

/** What a store holds after its log has been replayed. */
export interface Replayed {
  readonly epoch: string
  readonly head: Head
  readonly index: RecordIndex
}

/** Options of {@link replay}. */
export interface ReplayOptions {
  readonly backend: Backend
  readonly epoch: string
  /** What is known already: records changed since are handed out, and this must be part of the log. */
  readonly known: Head
  /** Gets records chunk by chunk: those of each kind in creation order, then what was removed since the known head. */
  readonly listener: (changes: readonly AppliedChange[]) => void
}

/**
 * Reads a store from its beginning and proves it whole: every change names the hash of the one before it, revisions have no
 * gap, what was acknowledged is there, and the records are exactly those that the changes say there are, byte for byte.
 *
 * @throws {StoreError} `ERR_STORE_CORRUPT` naming what does not fit, `ERR_STORE_VERSION`
 */
export async function replay(options: ReplayOptions): Promise<Replayed> {
  const { backend, epoch, known } = options
  const log = new LogReplay(epoch, [known, backend.acknowledged() ?? emptyHead])
  for await (const segments of backend.segments(1)) {
    for (const segment of segments) log.read(segment)
  }
  log.finish()
  await replayRecords(options, log)
  return { epoch, head: log.head, index: log.index }
}

class LogReplay {
  readonly index = new RecordIndex()
  /** Records that changed after the known head, by kind and key, with the revision of their last change. */
  readonly changed = new Map<string, AppliedChange>()
  readonly #epoch: string
  readonly #epochBytes: Buffer
  readonly #link = new LinkLayout()
  /** The known head and the acknowledged one: both must be part of the log. */
  readonly #anchors: readonly [known: Head, acknowledged: Head]
  #head: Head = emptyHead

  constructor(epoch: string, anchors: readonly [known: Head, acknowledged: Head]) {
    this.#epoch = epoch
    this.#epochBytes = Buffer.from(epoch)
    this.#anchors = anchors
  }

  get head(): Head {
    return this.#head
  }

  /** @throws {StoreError} `ERR_STORE_CORRUPT`, `ERR_STORE_VERSION` */
  read(segment: LogSegment): void {
    if (segment.firstRevision !== this.#head.revision + 1) {
      const missing = this.#head.revision + 1
      throw corrupt(`change ${missing} is missing: the next one found is ${segment.firstRevision}`)
    }
    const bytes = asBuffer(segment.bytes)
    const frames = new BinaryReader(bytes)
    while (!frames.isAtEnd) {
      const length = frames.unsigned()
      const start = frames.offset
      frames.skipRaw(length)
      this.#readChange(bytes, start, frames.offset)
    }
  }

  #readChange(bytes: Buffer, start: number, end: number): void {
    const revision = this.#head.revision + 1
    const link = this.#link
    link.read(bytes, start, end)
    if (!link.isOf(this.#epochBytes)) throw corrupt(`change ${revision} is of another history`)
    if (link.revision !== revision) {
      throw corrupt(`change ${revision} is missing: the next one found is ${link.revision}`)
    }
    if (!isHashAt(bytes, link.previousStart, this.#head.hash)) {
      throw corrupt(`change ${revision} does not follow from change ${revision - 1}`)
    }
    if (link.afterStart === undefined) this.index.delete(link.key)
    else this.index.put(link.key, link.createdRevision, bytes, link.afterStart)
    this.#head = { revision, hash: sha256(bytes.subarray(start, end)) }
    for (const anchor of this.#anchors) {
      if (anchor.revision === revision && anchor.hash !== this.#head.hash) {
        throw corrupt(`change ${revision} is not the one that was acknowledged`)
      }
    }
    if (this.#anchors[0].revision > 0 && revision > this.#anchors[0].revision) {
      this.#rememberChanged(bytes.subarray(start, end))
    }
  }

  #rememberChanged(bytes: Buffer): void {
    const { revision, kind, key, createdRevision } = readChangeLink(new BinaryReader(bytes))
    const position = { epoch: this.#epoch, revision }
    const change = { kind, key, value: undefined, position, createdRevision } as AppliedChange
    this.changed.set(`${kind}\n${key}`, change)
  }

  finish(): void {
    const acknowledged = Math.max(...this.#anchors.map((anchor) => anchor.revision))
    if (acknowledged <= this.#head.revision) return
    throw corrupt(
      `acknowledged change ${acknowledged} is missing: the log ends at ${this.#head.revision}`,
    )
  }
}

async function replayRecords(options: ReplayOptions, log: LogReplay): Promise<void> {
  const reader = new RecordReplay(options, log)
  let found = 0
  for await (const records of options.backend.records()) {
    found += records.length
    const changes: AppliedChange[] = []
    for (const record of records) {
      const change = reader.read(record)
      if (change) changes.push(change)
    }
    if (changes.length > 0) options.listener(changes)
  }
  if (found !== log.index.size) {
    throw corrupt(`${log.index.size} records should be there, ${found} are`)
  }
  const removed = [...log.changed.values()].filter(
    ({ kind, key }) => log.index.get(kind, key) === undefined,
  )
  if (removed.length > 0) options.listener(removed)
}

/** A record begins with its version, then its kind. The key of an entry follows. */
const kindOffset = 1

/** A stored entry as a change. Its key and the object are made when they are asked for. */
class StoredEntry {
  readonly kind = 'entry'
  readonly encoded: Uint8Array
  readonly position: Position
  readonly createdRevision: number
  readonly #ids: IdReader

  constructor(encoded: Uint8Array, createdRevision: number, position: Position, ids: IdReader) {
    this.encoded = encoded
    this.createdRevision = createdRevision
    this.position = position
    this.#ids = ids
  }

  get key(): string {
    return new BinaryReader(this.encoded, kindOffset + 1).string()
  }

  get value(): RegistrationEntry {
    return readRecord('entry', this.encoded, this.#ids)
  }
}

class RecordReplay {
  readonly #options: ReplayOptions
  readonly #log: LogReplay
  readonly #ids = new IdReader()
  readonly #layout = new EntryLayout()
  /** Of every record that is not known to have changed later: one object for all. */
  readonly #position: Position
  /** Of the record before this one. */
  #kindNumber = 0
  #created = 0

  constructor(options: ReplayOptions, log: LogReplay) {
    this.#options = options
    this.#log = log
    this.#position = { epoch: options.epoch, revision: log.head.revision }
  }

  /** The record as a change, undefined when it is known already. */
  read(bytes: Uint8Array): AppliedChange | undefined {
    const kind = kindOfNumber(bytes[kindOffset] ?? 0)
    return kind === 'entry' ? this.#readEntry(bytes) : this.#readOther(kind, bytes)
  }

  /** An entry is not made an object: most are not asked for soon. Who indexes it walks through its fields. */
  #readEntry(bytes: Uint8Array): AppliedChange | undefined {
    const layout = this.#layout
    try {
      layout.readIds(asBuffer(bytes), 0, bytes.length)
    } catch (cause) {
      throw this.#unreadable('entry', cause)
    }
    const key = { bytes: layout.bytes, start: kindOffset, end: layout.idEnd }
    const createdRevision = this.#prove(key, 'entry', bytes)
    const change = new StoredEntry(bytes, createdRevision, this.#position, this.#ids)
    if (this.#log.changed.size === 0 && this.#options.known.revision === 0) return change
    const changed = this.#log.changed.get(`entry\n${change.key}`)
    return changed && ({ ...changed, value: change.value, encoded: bytes } as AppliedChange)
  }

  #readOther(kind: RecordKind, bytes: Uint8Array): AppliedChange | undefined {
    const value = this.#valueOf(kind, bytes)
    const key = recordKeyOf(kind, value)
    const createdRevision = this.#prove(this.#log.index.spanOf(kind, key), kind, bytes)
    const { changed } = this.#log
    const change = changed.get(`${kind}\n${key}`)
    if (this.#options.known.revision > 0 && change === undefined) return undefined
    const position = change?.position ?? this.#position
    return { kind, key, value, position, createdRevision } as AppliedChange
  }

  /** The revision that created a record. Records come by kind and in the order of creation, so none comes twice or out of place. */
  #prove(key: KeySpan, kind: RecordKind, bytes: Uint8Array): number {
    const created = this.#log.index.createdRevision(key, sha256(bytes))
    if (created === undefined) {
      throw corrupt(`${kind} ${this.#place(kind)} is not what the log says`)
    }
    const number = numberOfKind(kind)
    const isInOrder =
      number === this.#kindNumber ? created > this.#created : number > this.#kindNumber
    if (!isInOrder) throw corrupt(`${kind} created by change ${created} is out of its place`)
    this.#kindNumber = number
    this.#created = created
    return created
  }

  #valueOf(kind: RecordKind, bytes: Uint8Array): Records[RecordKind] {
    try {
      return readRecord(kind, bytes, this.#ids)
    } catch (cause) {
      throw this.#unreadable(kind, cause)
    }
  }

  #unreadable(kind: RecordKind, cause: unknown): unknown {
    if (cause instanceof StoreError && cause.code === 'ERR_STORE_VERSION') return cause
    return corrupt(`${kind} ${this.#place(kind)} cannot be read`, cause)
  }

  /** Where the record is that is being read. */
  #place(kind: RecordKind): string {
    const isFirst = numberOfKind(kind) !== this.#kindNumber
    return isFirst ? 'that comes first' : `after the one created by change ${this.#created}`
  }
}

function corrupt(what: string, cause?: unknown): StoreError {
  return new StoreError('ERR_STORE_CORRUPT', `the store is damaged: ${what}`, { cause })
}
