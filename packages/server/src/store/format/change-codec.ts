import type { Actor, Cause, Change, RecordKind } from '../store.ts'
import { StoreError } from '../store-error.ts'
import { BinaryReader } from './binary-reader.ts'
import type { BinaryWriter } from './binary-writer.ts'
import { hashBytes, hashLength } from './hash.ts'
import { kindOfNumber, numberOfKind } from './record-codec.ts'

/** Version of the change encoding, the first byte of every change. Another one is refused. */
export const changeVersion = 1

const actorClasses: readonly Actor['class'][] = [
  'local',
  'admin',
  'agent',
  'downstream',
  'anonymous',
  'server',
]

/** A change with its hashes as strings; undefined: no record. */
export interface ChangeFields {
  readonly epoch: string
  readonly revision: number
  readonly timeMs: number
  readonly cause: Cause
  readonly kind: RecordKind
  readonly key: string
  /** Revision in which the record was created: its place in creation order. */
  readonly createdRevision: number
  readonly before: string | undefined
  readonly after: string | undefined
  readonly previous: string
}

/** The part of a change that says what the records are now. */
export interface ChangeLink {
  readonly epoch: string
  readonly revision: number
  readonly previous: string
  readonly kind: RecordKind
  readonly key: string
  readonly createdRevision: number
  readonly after: string | undefined
}

/** The canonical encoding of a change: what is stored, and what the next change's `previous` is the hash of. */
export function writeChange(writer: BinaryWriter, change: ChangeFields): void {
  writer.byte(changeVersion)
  writer.string(change.epoch)
  writer.unsigned(change.revision)
  writer.rawLatin1(change.previous)
  writer.byte(numberOfKind(change.kind))
  writer.string(change.key)
  writer.unsigned(change.createdRevision)
  writeHash(writer, change.after)
  writeHash(writer, change.before)
  writer.unsigned(change.timeMs)
  writer.byte(actorClasses.indexOf(change.cause.actor.class) + 1)
  writer.string(change.cause.actor.id)
  writer.string(change.cause.requestId)
  writer.string(change.cause.reason)
}

/**
 * Reads the first half of a change, which is all that replaying needs.
 *
 * @throws {StoreError} `ERR_STORE_VERSION` or `ERR_STORE_CORRUPT`
 */
export function readChangeLink(reader: BinaryReader): ChangeLink {
  readChangeVersion(reader)
  return {
    epoch: reader.string(),
    revision: reader.unsigned(),
    previous: reader.rawLatin1(hashLength),
    kind: kindOfNumber(reader.byte()),
    key: reader.string(),
    createdRevision: reader.unsigned(),
    after: readHash(reader),
  }
}

/**
 * Reads what every change begins with.
 *
 * @throws {StoreError} `ERR_STORE_VERSION` or `ERR_STORE_CORRUPT`
 */
export function readChangeVersion(reader: BinaryReader): void {
  const version = reader.byte()
  if (version === changeVersion) return
  throw new StoreError('ERR_STORE_VERSION', `changes of format ${version} are from a newer version`)
}

/**
 * Reads a whole change.
 *
 * @throws {StoreError} `ERR_STORE_VERSION` or `ERR_STORE_CORRUPT`
 */
export function readChange(bytes: Uint8Array): Change {
  const reader = new BinaryReader(bytes)
  const { epoch, revision, previous, kind, key, after } = readChangeLink(reader)
  const before = readHash(reader)
  const timeMs = reader.unsigned()
  const actorClass = actorClasses[reader.byte() - 1]
  if (actorClass === undefined) {
    throw new StoreError('ERR_STORE_CORRUPT', 'stored change has an unknown actor')
  }
  const actor = { class: actorClass, id: reader.string() }
  const cause = { actor, requestId: reader.string(), reason: reader.string() }
  reader.end()
  return {
    position: { epoch, revision },
    timeMs,
    cause,
    kind,
    key,
    before: hashBytes(before ?? ''),
    after: hashBytes(after ?? ''),
    previous: hashBytes(previous),
  }
}

function writeHash(writer: BinaryWriter, hash: string | undefined): void {
  writer.byte(hash === undefined ? 0 : 1)
  if (hash !== undefined) writer.rawLatin1(hash)
}

function readHash(reader: BinaryReader): string | undefined {
  return reader.byte() === 0 ? undefined : reader.rawLatin1(hashLength)
}
