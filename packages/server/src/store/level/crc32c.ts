const polynomial = 0x82f63b78

/** The table that {@link crc32c} works with: the remainder of every byte. */
export function crc32cTable(): Uint32Array {
  return Uint32Array.from({ length: 256 }, (_, byte) => {
    let crc = byte
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ polynomial : crc >>> 1
    return crc
  })
}

/** CRC-32C (Castagnoli), the checksum the database uses in its files. */
export function crc32c(table: Uint32Array, bytes: Uint8Array): number {
  let crc = 0xffffffff
  for (const byte of bytes) crc = (table[(crc ^ byte) & 0xff] ?? 0) ^ (crc >>> 8)
  return (crc ^ 0xffffffff) >>> 0
}
