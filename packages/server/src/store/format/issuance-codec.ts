import type { IssuanceRecord } from '../store.ts'
import { StoreError } from '../store-error.ts'
import { BinaryReader } from './binary-reader.ts'
import type { BinaryWriter } from './binary-writer.ts'

/** Version of the issuance encoding, the first byte of every record. Another one is refused. */
export const issuanceVersion = 1

const types: readonly IssuanceRecord['type'][] = [
  'x509-svid',
  'jwt-svid',
  'x509-ca',
  'agent-svid',
  'wit-svid',
]

/** Writes a record of the issuance stream. */
export function writeIssuance(writer: BinaryWriter, record: IssuanceRecord): void {
  writer.byte(issuanceVersion)
  writer.byte(types.indexOf(record.type) + 1)
  writer.string(record.identifier)
  writer.string(record.spiffeId)
  writer.string(record.entryId)
  writer.string(record.requester)
  writer.signed(record.issuedAtSeconds)
  writer.signed(record.expiresAtSeconds)
}

/**
 * Reads what {@link writeIssuance} wrote.
 *
 * @throws {StoreError} `ERR_STORE_VERSION` or `ERR_STORE_CORRUPT`
 */
export function readIssuance(bytes: Uint8Array): IssuanceRecord {
  const reader = new BinaryReader(bytes)
  const version = reader.byte()
  const type = types[reader.byte() - 1]
  if (version !== issuanceVersion || type === undefined) {
    throw new StoreError(
      'ERR_STORE_VERSION',
      `issuance of format ${version} is from a newer version`,
    )
  }
  const record: IssuanceRecord = {
    type,
    identifier: reader.string(),
    spiffeId: reader.string(),
    entryId: reader.string(),
    requester: reader.string(),
    issuedAtSeconds: reader.signed(),
    expiresAtSeconds: reader.signed(),
  }
  reader.end()
  return record
}
