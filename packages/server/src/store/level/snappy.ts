/**
 * Undoes the compression of a block (Snappy's block format): literals and copies of what came before.
 *
 * @returns undefined when the bytes are not of that format
 */
export function snappyDecompress(bytes: Uint8Array): Uint8Array | undefined {
  const input = { bytes, offset: 0 }
  const length = readVarint(input)
  if (length === undefined || length > maxBlockBytes) return undefined
  const output = new Uint8Array(length)
  let filled = 0
  while (input.offset < bytes.length) {
    const tag = bytes[input.offset++] ?? 0
    const count =
      (tag & 3) === 0 ? literal(input, tag, output, filled) : copy(input, tag, output, filled)
    if (count === undefined) return undefined
    filled += count
  }
  return filled === length ? output : undefined
}

/** Blocks are some kilobytes; an index of a large table some hundred. */
const maxBlockBytes = 64 * 1024 * 1024

interface Input {
  readonly bytes: Uint8Array
  offset: number
}

/** A number of seven bits a byte, lowest first; undefined when it does not end. */
export function readVarint(input: Input): number | undefined {
  let value = 0
  let scale = 1
  for (let count = 0; count < 8; count++) {
    const byte = input.bytes[input.offset++]
    if (byte === undefined) return undefined
    value += (byte & 0x7f) * scale
    if (byte < 0x80) return value
    scale *= 0x80
  }
  return undefined
}

function littleEndian(input: Input, count: number): number {
  let value = 0
  for (let at = 0; at < count; at++) value += (input.bytes[input.offset++] ?? 0) * 0x100 ** at
  return value
}

function literal(
  input: Input,
  tag: number,
  output: Uint8Array,
  filled: number,
): number | undefined {
  const short = tag >> 2
  const length = 1 + (short < 60 ? short : littleEndian(input, short - 59))
  const end = input.offset + length
  if (end > input.bytes.length || filled + length > output.length) return undefined
  output.set(input.bytes.subarray(input.offset, end), filled)
  input.offset = end
  return length
}

function copy(input: Input, tag: number, output: Uint8Array, filled: number): number | undefined {
  const isShort = (tag & 3) === 1
  const length = isShort ? 4 + ((tag >> 2) & 7) : 1 + (tag >> 2)
  const distance = isShort
    ? (tag >> 5) * 0x100 + littleEndian(input, 1)
    : littleEndian(input, (tag & 3) === 2 ? 2 : 4)
  if (distance === 0 || distance > filled || filled + length > output.length) return undefined
  for (let at = filled; at < filled + length; at++) output[at] = output[at - distance] ?? 0
  return length
}
