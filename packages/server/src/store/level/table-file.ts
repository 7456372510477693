import { isIntact } from './crc32c.ts'
import { readVarint, snappyDecompress } from './snappy.ts'

const footerBytes = 48
const trailerBytes = 5
const magic = Buffer.from('57fb808b247547db', 'hex')

interface Handle {
  readonly offset: number
  readonly size: number
}

/**
 * Offset of the first block of a sorted table whose checksum is wrong; undefined when the table is whole.
 *
 * Every block is looked at, as the table's index and its index of other blocks list them, and these two as the footer does.
 */
export function firstDamageOfTable(table: Uint32Array, bytes: Buffer): number | undefined {
  const footer = bytes.subarray(Math.max(0, bytes.length - footerBytes))
  if (footer.length < footerBytes || !footer.subarray(footerBytes - magic.length).equals(magic)) {
    return bytes.length - footer.length
  }
  const input = { bytes: footer, offset: 0 }
  const others = readHandle(input)
  const index = readHandle(input)
  if (!others || !index || !footer.subarray(input.offset, -magic.length).every(isZero)) {
    return bytes.length - footerBytes
  }
  for (const list of [others, index]) {
    const block = readBlock(table, bytes, list)
    const handles = block && handlesIn(block)
    if (!handles) return list.offset
    const damaged = handles.find((handle) => !checkBlock(table, bytes, handle))
    if (damaged) return damaged.offset
  }
  return undefined
}

function isZero(byte: number): boolean {
  return byte === 0
}

function readHandle(input: { readonly bytes: Uint8Array; offset: number }): Handle | undefined {
  const offset = readVarint(input)
  const size = readVarint(input)
  return offset === undefined || size === undefined ? undefined : { offset, size }
}

/** A block is followed by its compression type and the checksum over both. */
function checkBlock(table: Uint32Array, bytes: Buffer, { offset, size }: Handle): boolean {
  const end = offset + size
  if (end + trailerBytes > bytes.length) return false
  return isIntact(table, bytes.subarray(offset, end + 1), bytes.readUInt32LE(end + 1))
}

function readBlock(table: Uint32Array, bytes: Buffer, handle: Handle): Uint8Array | undefined {
  if (!checkBlock(table, bytes, handle)) return undefined
  const end = handle.offset + handle.size
  const block = bytes.subarray(handle.offset, end)
  return bytes[end] === 0 ? block : snappyDecompress(block)
}

/** The values of a block that lists blocks. Its keys share prefixes; only their lengths matter here. */
function handlesIn(block: Uint8Array): readonly Handle[] | undefined {
  const view = new DataView(block.buffer, block.byteOffset, block.byteLength)
  if (block.length < 4) return undefined
  const end = block.length - 4 - view.getUint32(block.length - 4, true) * 4
  const handles: Handle[] = []
  const input = { bytes: block, offset: 0 }
  while (input.offset < end) {
    const shared = readVarint(input)
    const unshared = readVarint(input)
    const length = readVarint(input)
    if (shared === undefined || unshared === undefined || length === undefined) return undefined
    input.offset += unshared
    const next = input.offset + length
    const handle = readHandle(input)
    if (!handle) return undefined
    handles.push(handle)
    input.offset = next
  }
  return handles
}
