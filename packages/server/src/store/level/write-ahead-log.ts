import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { StoreError } from '../store-error.ts'
import { crc32c, crc32cTable } from './crc32c.ts'

const blockBytes = 32_768
const headerBytes = 7

/** What the database adds to a checksum before it stores it, so that checksums of data with checksums in it stay good. */
const maskDelta = 0xa282ead8

/**
 * Checks the database's write-ahead logs before the database reads them: it would skip damaged records without a word.
 *
 * A record that the file ends in is what a crash leaves, and is passed over; whether something acknowledged was in it is
 * found out later, by what was remembered outside.
 *
 * @throws {StoreError} `ERR_STORE_CORRUPT` naming file and offset
 */
export function checkWriteAheadLogs(directory: string): void {
  for (const name of readdirSync(directory)) {
    if (!/^\d+\.log$/.test(name)) continue
    const offset = firstDamage(readFileSync(join(directory, name)))
    if (offset === undefined) continue
    throw new StoreError(
      'ERR_STORE_CORRUPT',
      `the store is damaged: ${join(directory, name)} has a wrong checksum at offset ${offset}`,
    )
  }
}

/** Offset of the first complete record whose checksum is wrong. */
function firstDamage(bytes: Buffer): number | undefined {
  const table = crc32cTable()
  let offset = 0
  while (offset + headerBytes <= bytes.length) {
    const leftInBlock = blockBytes - (offset % blockBytes)
    if (leftInBlock < headerBytes) {
      offset += leftInBlock
      continue
    }
    const length = bytes.readUInt16LE(offset + 4)
    const isPadding = length === 0 && bytes[offset + 6] === 0
    if (isPadding && bytes.readUInt32LE(offset) === 0) return undefined
    const end = offset + headerBytes + length
    if (end > bytes.length) return undefined
    const isInBlock = headerBytes + length <= leftInBlock
    if (!isInBlock || !isIntact(table, bytes.subarray(offset, end))) return offset
    offset = end
  }
  return undefined
}

/** The checksum is over the record's type and data, rotated and shifted. */
function isIntact(table: Uint32Array, record: Buffer): boolean {
  const crc = crc32c(table, record.subarray(6))
  const masked = (((crc >>> 15) | (crc << 17)) + maskDelta) >>> 0
  return masked === record.readUInt32LE(0)
}
