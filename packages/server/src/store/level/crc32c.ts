const polynomial = 0x82f63b78

/** What the database adds to a checksum before it stores it, so that checksums of data with checksums in it stay good. */
const maskDelta = 0xa282ead8

/** The table that {@link isIntact} works with: the remainder of every byte. */
export function crc32cTable(): Uint32Array {
  return Uint32Array.from({ length: 256 }, (_, byte) => {
    let crc = byte
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ polynomial : crc >>> 1
    return crc
  })
}

/** Whether bytes have this checksum: CRC-32C (Castagnoli), rotated and shifted as the database stores it. */
export function isIntact(table: Uint32Array, bytes: Uint8Array, stored: number): boolean {
  let crc = 0xffffffff
  for (let at = 0; at < bytes.length; at++) {
    crc = (table[(crc ^ (bytes[at] ?? 0)) & 0xff] ?? 0) ^ (crc >>> 8)
  }
  crc = ~crc
  return (((crc >>> 15) | (crc << 17)) + maskDelta) >>> 0 === stored
}
