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
  for (let at = headerAt(bytes, 0), end = 0; at !== undefined; at = headerAt(bytes, end)) {
    const length = bytes.readUInt16LE(at + 4)
    const isPadding = length === 0 && bytes[at + 6] === 0
    if (isPadding && bytes.readUInt32LE(at) === 0) return undefined
    if (headerBytes + length > leftInBlock(at)) return at
    end = at + headerBytes + length
    if (end > bytes.length) return undefined
    // The checksum is over the record's type and data.
    if (!isIntact(table, bytes.subarray(at + 6, end), bytes.readUInt32LE(at))) return at
  }
  return undefined
}

/** Kinds of pieces in which a record lies that goes over the end of a block. */
const piece = { full: 1, first: 2, last: 4 } as const

/** The records of a log that {@link firstDamageOfLog} has found whole; one that the file ends in is left out. */
export function* logRecords(bytes: Buffer): Generator<Buffer, void> {
  let begun: Buffer[] = []
  for (let at = headerAt(bytes, 0), end = 0; at !== undefined; at = headerAt(bytes, end)) {
    end = at + headerBytes + bytes.readUInt16LE(at + 4)
    const kind = bytes[at + 6]
    if (kind === 0 || end > bytes.length) return
    if (kind === piece.full || kind === piece.first) begun = []
    begun.push(bytes.subarray(at + headerBytes, end))
    if (kind === piece.full || kind === piece.last) yield Buffer.concat(begun)
  }
}

/** Where the next piece of a record begins, from an offset on: the end of a block that has no room for a header is passed over. */
function headerAt(bytes: Buffer, offset: number): number | undefined {
  const left = leftInBlock(offset)
  const at = left < headerBytes ? offset + left : offset
  return at + headerBytes <= bytes.length ? at : undefined
}

function leftInBlock(offset: number): number {
  return blockBytes - (offset % blockBytes)
}
