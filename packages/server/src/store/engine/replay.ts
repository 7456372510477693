import { BinaryReader } from '../format/binary-reader.ts'
import { readChangeLink } from '../format/change-codec.ts'
import { sha256 } from '../format/hash.ts'
import { IdReader } from '../format/id-codec.ts'
import { kindOfNumber, readRecord, recordKeyOf } from '../format/record-codec.ts'
import type { AppliedChange, Position, RecordKind, Records } from '../store.ts'
import { StoreError } from '../store-error.ts'
import type { Backend, LogSegment, StoredRecord } from './backend.ts'
import { emptyHead, type Head } from './head.ts'
import { RecordIndex } from './record-index.ts'

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
  /** The known head and the acknowledged one: both must be part of the log. */
  readonly #anchors: readonly [known: Head, acknowledged: Head]
  #head: Head = emptyHead

  constructor(epoch: string, anchors: readonly [known: Head, acknowledged: Head]) {
    this.#epoch = epoch
    this.#anchors = anchors
  }

  get head(): Head {
    return this.#head
  }

  read(segment: LogSegment): void {
    if (segment.firstRevision !== this.#head.revision + 1) {
      const missing = this.#head.revision + 1
      throw corrupt(`change ${missing} is missing: the next one found is ${segment.firstRevision}`)
    }
    const frames = new BinaryReader(segment.bytes)
    while (!frames.isAtEnd) this.#readChange(frames.raw(frames.unsigned()))
  }

  #readChange(bytes: Buffer): void {
    const revision = this.#head.revision + 1
    const link = readChangeLink(new BinaryReader(bytes))
    if (link.epoch !== this.#epoch) throw corrupt(`change ${revision} is of another history`)
    if (link.revision !== revision) {
      throw corrupt(`change ${revision} is missing: the next one found is ${link.revision}`)
    }
    if (link.previous !== this.#head.hash) {
      throw corrupt(`change ${revision} does not follow from change ${revision - 1}`)
    }
    const { kind, key, createdRevision, after } = link
    const slot = after === undefined ? undefined : { createdRevision, hash: after }
    this.index.set(kind, key, slot)
    this.#head = { revision, hash: sha256(bytes) }
    for (const anchor of this.#anchors) {
      if (anchor.revision === revision && anchor.hash !== this.#head.hash) {
        throw corrupt(`change ${revision} is not the one that was acknowledged`)
      }
    }
    const [{ revision: known }] = this.#anchors
    if (known > 0 && revision > known) {
      const position = { epoch: this.#epoch, revision }
      const change = { kind, key, value: undefined, position, createdRevision } as AppliedChange
      this.changed.set(`${kind}\n${key}`, change)
    }
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
    const changes = records.flatMap((record) => reader.read(record) ?? [])
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

class RecordReplay {
  readonly #options: ReplayOptions
  readonly #log: LogReplay
  readonly #ids = new IdReader()
  /** Of every record that is not known to have changed later: one object for all. */
  readonly #position: Position

  constructor(options: ReplayOptions, log: LogReplay) {
    this.#options = options
    this.#log = log
    this.#position = { epoch: options.epoch, revision: log.head.revision }
  }

  /** The record as a change, undefined when it is known already. */
  read(record: StoredRecord): AppliedChange | undefined {
    const kind = kindOfNumber(record.kind)
    const value = this.#decode(kind, record)
    const key = recordKeyOf(kind, value)
    const slot = this.#log.index.get(kind, key)
    if (slot?.createdRevision !== record.createdRevision || slot.hash !== sha256(record.bytes)) {
      throw corrupt(`${kind} created by change ${record.createdRevision} is not what the log says`)
    }
    const { changed } = this.#log
    // Without a known head nothing is known to have changed, and most stores are opened once.
    const change = changed.size === 0 ? undefined : changed.get(`${kind}\n${key}`)
    if (this.#options.known.revision > 0 && change === undefined) return undefined
    const position = change?.position ?? this.#position
    const { createdRevision } = slot
    return { kind, key, value, position, createdRevision } as AppliedChange
  }

  #decode<Kind extends RecordKind>(kind: Kind, record: StoredRecord): Records[Kind] {
    try {
      return readRecord(kind, record.bytes, this.#ids)
    } catch (cause) {
      if (cause instanceof StoreError && cause.code === 'ERR_STORE_VERSION') throw cause
      throw corrupt(`${kind} created by change ${record.createdRevision} cannot be read`, cause)
    }
  }
}

function corrupt(what: string, cause?: unknown): StoreError {
  return new StoreError('ERR_STORE_CORRUPT', `the store is damaged: ${what}`, { cause })
}
