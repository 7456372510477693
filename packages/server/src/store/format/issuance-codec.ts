import type { IssuanceRecord } from '../store.ts'
import { StoreError } from '../store-error.ts'
import { BinaryReader } from './binary-reader.ts'
import type { BinaryWriter } from './binary-writer.ts'

/** Versions of the issuance encoding, the first byte of every value: one record, or a group of them. Another one is refused. */
export const issuanceVersion = { single: 1, group: 2 } as const

/** How long after its first record a group may take in others: what a range has to be read wider by. */
export const groupSpanMs = 1000

const types: readonly IssuanceRecord['type'][] = [
  'x509-svid',
  'jwt-svid',
  'x509-ca',
  'agent-svid',
  'wit-svid',
]

/** A record of the issuance stream and when it was appended. */
export interface DatedIssuance {
  readonly timeMs: number
  readonly record: IssuanceRecord
}

/** Begins a group; records follow until its end. */
export function beginIssuanceGroup(writer: BinaryWriter): void {
  writer.byte(issuanceVersion.group)
}

/** Writes one more record of a group, appended so long after the group's first. */
export function writeIssuance(
  writer: BinaryWriter,
  record: IssuanceRecord,
  afterFirstMs: number,
): void {
  writer.unsigned(afterFirstMs)
  writer.byte(types.indexOf(record.type) + 1)
  writer.string(record.identifier)
  writer.string(record.spiffeId)
  writer.string(record.entryId)
  writer.string(record.requester)
  writer.signed(record.issuedAtSeconds)
  writer.signed(record.expiresAtSeconds)
}

/**
 * Reads a value of the issuance stream: a group, or the single record that values were before there were groups.
 *
 * @param timeMs when its first record was appended
 * @throws {StoreError} `ERR_STORE_VERSION` or `ERR_STORE_CORRUPT`
 */
export function readIssuances(timeMs: number, bytes: Uint8Array): readonly DatedIssuance[] {
  const reader = new BinaryReader(bytes)
  const version = reader.byte()
  if (version === issuanceVersion.single) {
    const record = readRecord(reader)
    reader.end()
    return [{ timeMs, record }]
  }
  if (version !== issuanceVersion.group) throw newer(version)
  const records: DatedIssuance[] = []
  while (!reader.isAtEnd) {
    records.push({ timeMs: timeMs + reader.unsigned(), record: readRecord(reader) })
  }
  return records
}

function readRecord(reader: BinaryReader): IssuanceRecord {
  const number = reader.byte()
  const type = types[number - 1]
  if (type === undefined) throw newer(number)
  return {
    type,
    identifier: reader.string(),
    spiffeId: reader.string(),
    entryId: reader.string(),
    requester: reader.string(),
    issuedAtSeconds: reader.signed(),
    expiresAtSeconds: reader.signed(),
  }
}

function newer(number: number): StoreError {
  const text = `issuance of format ${number} is from a newer version`
  return new StoreError('ERR_STORE_VERSION', text)
}
