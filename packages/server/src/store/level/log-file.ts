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

/** Kinds of pieces in which a record lies that goes over the end of a block. */
const piece = { full: 1, first: 2, last: 4 } as const

/** The records of a log that {@link firstDamageOfLog} has found whole; one that the file ends in is left out. */
export function* logRecords(bytes: Buffer): Generator<Buffer, void> {
  let begun: Buffer[] = []
  let offset = 0
  while (offset + headerBytes <= bytes.length) {
    const leftInBlock = blockBytes - (offset % blockBytes)
    if (leftInBlock < headerBytes) {
      offset += leftInBlock
      continue
    }
    const end = offset + headerBytes + bytes.readUInt16LE(offset + 4)
    const kind = bytes[offset + 6]
    if (kind === 0 || end > bytes.length) return
    if (kind === piece.full || kind === piece.first) begun = []
    begun.push(bytes.subarray(offset + headerBytes, end))
    if (kind === piece.full || kind === piece.last) yield Buffer.concat(begun)
    offset = end
  }
}
