/** A `string` of RFC 4251: bytes with their length in front. */
export function sshString(value: Uint8Array | string): Buffer {
  const bytes = Buffer.from(value)
  const length = Buffer.alloc(4)
  length.writeUInt32BE(bytes.length)
  return Buffer.concat([length, bytes])
}

/** A `mpint` of RFC 4251 from big-endian bytes of a number that is not negative. */
export function sshUnsigned(value: Uint8Array): Buffer {
  const first = value.findIndex((byte) => byte !== 0)
  const digits = first < 0 ? Buffer.alloc(0) : Buffer.from(value.subarray(first))
  const needsZero = (digits[0] ?? 0) >= 0x80
  return sshString(needsZero ? Buffer.concat([Buffer.of(0), digits]) : digits)
}
