import { isIntact } from './crc32c.ts'

const blockBytes = 32_768
const headerBytes = 7

/**
 * Offset of the first complete record of a log (the database's write-ahead log or its manifest) whose checksum is wrong;
 * undefined when there is none.
 *
 * A record that the file ends in is what a crash leaves, and is passed over.
 */
export function firstDamageOfLog(table: Uint32Array, bytes: Buffer): number | undefined {
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
    if (headerBytes + length > leftInBlock) return offset
    const end = offset + headerBytes + length
    if (end > bytes.length) return undefined
    // The checksum is over the record's type and data.
    if (!isIntact(table, bytes.subarray(offset + 6, end), bytes.readUInt32LE(offset))) return offset
    offset = end
  }
  return undefined
}
