const polynomial = 0x82f63b78

/** What the database adds to a checksum before it stores it, so that checksums of data with checksums in it stay good. */
const maskDelta = 0xa282ead8

/** How many bytes are taken in at once: a store of a million entries is some hundred megabytes, all read when it is opened. */
const width = 8

/** The table that {@link isIntact} works with: the remainder of every byte, followed by none, one, … seven zero bytes. */
export function crc32cTable(): Uint32Array {
  const table = new Uint32Array(width * 256)
  for (let byte = 0; byte < 256; byte++) {
    let crc = byte
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ polynomial : crc >>> 1
    table[byte] = crc
  }
  for (let at = 256; at < table.length; at++) {
    const before = table[at - 256] ?? 0
    table[at] = (table[before & 0xff] ?? 0) ^ (before >>> 8)
  }
  return table
}

/** Whether bytes have this checksum: CRC-32C (Castagnoli), rotated and shifted as the database stores it. */
export function isIntact(table: Uint32Array, bytes: Uint8Array, stored: number): boolean {
  const crc = crc32c(table, bytes)
  return (((crc >>> 15) | (crc << 17)) + maskDelta) >>> 0 === stored
}

/** CRC-32C of bytes, eight at a time ("slicing by 8"), then one by one. */
export function crc32c(table: Uint32Array, bytes: Uint8Array): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const whole = bytes.length - (bytes.length % width)
  let crc = 0xffffffff
  for (let at = 0; at < whole; at += width) {
    const low = crc ^ view.getUint32(at, true)
    const high = view.getUint32(at + 4, true)
    crc =
      (table[0x700 + (low & 0xff)] ?? 0) ^
      (table[0x600 + ((low >>> 8) & 0xff)] ?? 0) ^
      (table[0x500 + ((low >>> 16) & 0xff)] ?? 0) ^
      (table[0x400 + (low >>> 24)] ?? 0) ^
      (table[0x300 + (high & 0xff)] ?? 0) ^
      (table[0x200 + ((high >>> 8) & 0xff)] ?? 0) ^
      (table[0x100 + ((high >>> 16) & 0xff)] ?? 0) ^
      (table[high >>> 24] ?? 0)
  }
  for (let at = whole; at < bytes.length; at++) {
    crc = (table[(crc ^ (bytes[at] ?? 0)) & 0xff] ?? 0) ^ (crc >>> 8)
  }
  return ~crc >>> 0
}
