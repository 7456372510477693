import { describe, expect, it } from 'vitest'
import { decodeHuffman } from './huffman.ts'

function decode(hex: string): string | undefined {
  const bytes = Buffer.from(hex.replaceAll(' ', ''), 'hex')
  return decodeHuffman(bytes, 0, bytes.length)
}

describe("Huffman's code", () => {
  it.each([
    ['f1e3 c2e5 f23a 6ba0 ab90 f4ff', 'www.example.com'],
    ['a8eb 1064 9cbf', 'no-cache'],
    ['25a8 49e9 5ba9 7d7f', 'custom-key'],
    ['25a8 49e9 5bb8 e8b4 bf', 'custom-value'],
    ['d07a be94 1054 d444 a820 0595 040b 8166 e082 a62d 1bff', 'Mon, 21 Oct 2013 20:13:21 GMT'],
    ['9d29 ad17 1863 c78f 0b97 c8e9 ae82 ae43 d3', 'https://www.example.com'],
    ['', ''],
  ])('%s is what the standard says it is [RFC 7541 C.4] [RFC 7541 C.6]', (hex, text) => {
    expect(decode(hex)).toBe(text)
  })

  it('knows every byte, the rarest with 30 bits', () => {
    // \n, \r and 0x16 with two bits of padding.
    expect(decode('fffffff3')).toBe('\n')
    expect(decode('fffffff7')).toBe('\r')
    expect(decode('fffffffb')).toBe('\x16')
  })

  it.each([
    ['the end amid the text', 'ffffffff'],
    ['padding of a whole byte', '1fff'],
    ['padding that is not of ones', '18'],
    ['half a character', 'ffc0'],
  ])('refuses %s [RFC 7541 5.2]', (_what, hex) => {
    expect(decode(hex)).toBeUndefined()
  })
})
