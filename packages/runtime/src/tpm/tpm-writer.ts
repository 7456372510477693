/** Two bytes, big-endian. */
export function uint16(value: number): Buffer {
  const bytes = Buffer.alloc(2)
  bytes.writeUInt16BE(value)
  return bytes
}

/** Four bytes, big-endian. */
export function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(value)
  return bytes
}

/** A `TPM2B`: bytes with their length in front. */
export function sized(bytes: Uint8Array): Buffer {
  return Buffer.concat([uint16(bytes.length), bytes])
}
