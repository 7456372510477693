import type { RecordKind, Records } from '../store.ts'
import { StoreError } from '../store-error.ts'
import { BinaryReader } from './binary-reader.ts'
import type { BinaryWriter } from './binary-writer.ts'
import { readBundle, writeBundle } from './bundle-codec.ts'
import { readEntry, writeEntry } from './entry-codec.ts'
import type { IdReader } from './id-codec.ts'
import { readJournal, writeJournal } from './journal-codec.ts'
import { readJoinToken, readNode, writeJoinToken, writeNode } from './node-codec.ts'
import { readRelationship, writeRelationship } from './relationship-codec.ts'
import { readUsedToken, writeUsedToken } from './used-token-codec.ts'

/** Version of the record encoding, the first byte of every record. Another one is refused. */
export const recordVersion = 1

interface Codec<Kind extends RecordKind> {
  /** The second byte of every record. */
  readonly number: number
  readonly write: (writer: BinaryWriter, value: Records[Kind]) => void
  readonly read: (reader: BinaryReader, ids: IdReader) => Records[Kind]
  /** The key a record of this kind is usually kept under. */
  readonly keyOf: (value: Records[Kind]) => string
}

const codecs: { readonly [Kind in RecordKind]: Codec<Kind> } = {
  entry: { number: 1, write: writeEntry, read: readEntry, keyOf: (value) => value.id },
  node: {
    number: 2,
    write: writeNode,
    read: readNode,
    keyOf: (value) => value.spiffeId.toString(),
  },
  bundle: {
    number: 3,
    write: writeBundle,
    read: readBundle,
    keyOf: (value) => value.trustDomain.name,
  },
  'join-token': {
    number: 4,
    write: writeJoinToken,
    read: readJoinToken,
    keyOf: (value) => value.tokenHash,
  },
  'ca-journal': { number: 5, write: writeJournal, read: readJournal, keyOf: (value) => value.id },
  'federation-relationship': {
    number: 6,
    write: writeRelationship,
    read: readRelationship,
    keyOf: (value) => value.trustDomain.name,
  },
  'used-token': {
    number: 7,
    write: writeUsedToken,
    read: readUsedToken,
    keyOf: (value) => value.tokenHash,
  },
}

const kindsByNumber: ReadonlyMap<number, RecordKind> = new Map([
  [1, 'entry'],
  [2, 'node'],
  [3, 'bundle'],
  [4, 'join-token'],
  [5, 'ca-journal'],
  [6, 'federation-relationship'],
  [7, 'used-token'],
])

/** The number a kind has in stored bytes. */
export function numberOfKind(kind: RecordKind): number {
  return codecs[kind].number
}

/**
 * The kind a number in stored bytes stands for.
 *
 * @throws {StoreError} `ERR_STORE_VERSION` for a number this version does not know
 */
export function kindOfNumber(number: number): RecordKind {
  const kind = kindsByNumber.get(number)
  if (kind !== undefined) return kind
  throw new StoreError('ERR_STORE_VERSION', `records of kind ${number} are from a newer version`)
}

/** The key a record is usually kept under. */
export function recordKeyOf<Kind extends RecordKind>(kind: Kind, value: Records[Kind]): string {
  return codecs[kind].keyOf(value)
}

/** The canonical encoding of a record: what is stored, and what the hashes in the change log are of. */
export function writeRecord<Kind extends RecordKind>(
  writer: BinaryWriter,
  kind: Kind,
  value: Records[Kind],
): void {
  const codec = codecs[kind]
  writer.byte(recordVersion)
  writer.byte(codec.number)
  codec.write(writer, value)
}

/**
 * Reads a record back.
 *
 * @throws {StoreError} `ERR_STORE_VERSION` or `ERR_STORE_CORRUPT`
 */
export function readRecord<Kind extends RecordKind>(
  kind: Kind,
  bytes: Uint8Array,
  ids: IdReader,
): Records[Kind] {
  const reader = new BinaryReader(bytes)
  readRecordHead(reader, kind)
  const value = codecs[kind].read(reader, ids)
  reader.end()
  return value
}

/**
 * Reads what every record begins with: version and kind.
 *
 * @throws {StoreError} `ERR_STORE_VERSION` or `ERR_STORE_CORRUPT`
 */
export function readRecordHead(reader: BinaryReader, kind: RecordKind): void {
  const version = reader.byte()
  if (version !== recordVersion) {
    throw new StoreError(
      'ERR_STORE_VERSION',
      `records of format ${version} are from a newer version`,
    )
  }
  if (reader.byte() === codecs[kind].number) return
  throw new StoreError('ERR_STORE_CORRUPT', `stored ${kind} says it is of another kind`)
}
