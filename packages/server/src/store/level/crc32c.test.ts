import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { crc32c, crc32cTable, isIntact } from './crc32c.ts'

const table = crc32cTable()
const of = (text: string): number => crc32c(table, Buffer.from(text, 'hex'))

/** Bit by bit, as the polynomial is defined. */
function byDefinition(bytes: Uint8Array): number {
  let crc = 0xffffffff
  for (const byte of bytes) {
    crc ^= byte
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1
  }
  return ~crc >>> 0
}

describe('CRC-32C', () => {
  it('is as RFC 3720 B.4 has it', () => {
    expect(of('00'.repeat(32))).toBe(0x8a9136aa)
    expect(of('ff'.repeat(32))).toBe(0x62a8ab43)
    const counting = Array.from({ length: 32 }, (_, at) => at)
    expect(of(Buffer.from(counting).toString('hex'))).toBe(0x46dd794e)
    expect(of(Buffer.from(counting).reverse().toString('hex'))).toBe(0x113fdb5c)
    expect(of(Buffer.from('123456789').toString('hex'))).toBe(0xe3069283)
    expect(of('')).toBe(0)
  })

  it('is the same by eights as bit by bit, of any length and at any offset', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 70 }), fc.nat(9), (bytes, offset) => {
        expect(crc32c(table, bytes.subarray(offset))).toBe(byDefinition(bytes.subarray(offset)))
      }),
    )
  })

  it('is told apart from that of bytes with one bit flipped, wherever it is', () => {
    const bytes = Buffer.from(Array.from({ length: 21 }, (_, at) => at * 11))
    const crc = crc32c(table, bytes)
    const stored = (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0
    expect(isIntact(table, bytes, stored)).toBe(true)
    for (let bit = 0; bit < bytes.length * 8; bit++) {
      const flipped = Buffer.from(bytes)
      flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7))
      expect(isIntact(table, flipped, stored)).toBe(false)
    }
  })
})
