import { isSpiffeError } from '@mini-spire/sdk/errors'
import { describe, expect, it } from 'vitest'
import { HeaderDecoder } from './header-decoder.ts'
import { encodeHeaders } from './header-encoder.ts'

const limits = { maxBytes: 65_535, maxFields: 128 }

function hex(text: string): Buffer {
  return Buffer.from(text.replaceAll(/\s/g, ''), 'hex')
}

function read(decoder: HeaderDecoder, block: Buffer): readonly string[] | undefined {
  return decoder.decode(block)?.map(({ name, value }) => `${name}: ${value}`)
}

const first = [':method: GET', ':scheme: http', ':path: /', ':authority: www.example.com'] as const

describe('header blocks', () => {
  it.each([
    [
      'without Huffman [RFC 7541 C.3]',
      '8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d',
      '8286 84be 5808 6e6f 2d63 6163 6865',
      '8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65',
    ],
    [
      'with it [RFC 7541 C.4]',
      '8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff',
      '8286 84be 5886 a8eb 1064 9cbf',
      '8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf',
    ],
  ])('that build on each other are read as the standard reads them, %s', (_what, ...blocks) => {
    const decoder = new HeaderDecoder(limits)
    const [one = '', two = '', three = ''] = blocks
    expect(read(decoder, hex(one))).toEqual(first)
    expect(read(decoder, hex(two))).toEqual([...first, 'cache-control: no-cache'])
    expect(read(decoder, hex(three))).toEqual([
      ':method: GET',
      ':scheme: https',
      ':path: /index.html',
      ':authority: www.example.com',
      'custom-key: custom-value',
    ])
  })

  it('drop the oldest fields when the table is full [RFC 7541 C.5] [RFC 7541 4.4]', () => {
    const decoder = new HeaderDecoder(limits)
    // A table of 100 bytes, into which two of these fields of 41 fit.
    const field = (n: number): Buffer => hex(`40 04 6e61 6d 0${n} 05 76616c 7565`)
    expect(read(decoder, Buffer.concat([hex('3f45'), field(1), field(2)]))?.length).toBe(2)
    expect(read(decoder, hex('bebf'))).toEqual(['nam\x02: value', 'nam\x01: value'])
    expect(read(decoder, field(3))).toEqual(['nam\x03: value'])
    expect(read(decoder, hex('bebf'))).toEqual(['nam\x03: value', 'nam\x02: value'])
    expect(() => read(decoder, hex('c0'))).toThrow('an index without field')
  })

  it('empty the table with a field that is larger than it, and go on [RFC 7541 4.4]', () => {
    const decoder = new HeaderDecoder(limits)
    read(decoder, hex('40 01 61 01 62'))
    expect(read(decoder, hex('be'))).toEqual(['a: b'])
    const large = encodeHeaders([['x', 'y'.repeat(4_096)]])
    large[0] = 0x40
    expect(read(decoder, large)?.length).toBe(1)
    expect(() => read(decoder, hex('be'))).toThrow('an index without field')
  })

  it('may be without fields, and change the size of the table several times at their beginning', () => {
    const decoder = new HeaderDecoder(limits)
    expect(read(decoder, Buffer.alloc(0))).toEqual([])
    expect(read(decoder, hex('20 3fe11f 82'))).toEqual([':method: GET'])
  })

  it.each([
    ['index 0 [RFC 7541 6.1]', '80'],
    ['an index beyond the tables [RFC 7541 2.3.3]', 'be'],
    ['an integer that does not end [RFC 7541 5.1]', 'ff'],
    ['an integer of many bytes [RFC 7541 5.1]', 'ff 80 80 80 80 80 01'],
    ['an integer that is too large', 'ff ff ff ff ff 7f'],
    ['a text that is longer than the block [RFC 7541 5.2]', '40 7f 00 61'],
    ['a name without value', '40 01 61'],
    ['a bad text of Huffman [RFC 7541 5.2]', '40 81 18 01 61'],
    ['a size at the end [RFC 7541 4.2]', '82 20'],
    ['a size beyond what was allowed [RFC 7541 6.3]', '3fe21f'],
  ])('with %s end the connection [RFC 9113 4.3]', (_what, block) => {
    const decoder = new HeaderDecoder(limits)
    let thrown: unknown
    try {
      decoder.decode(hex(block))
    } catch (error) {
      thrown = error
    }
    expect(isSpiffeError(thrown, 'ERR_HTTP2_CONNECTION')).toBe(true)
    expect(thrown).toMatchObject({ reason: 9, kind: 'invalid-argument' })
  })
})

describe('header lists that are too large [gate 9]', () => {
  it('are read to their end and not kept, and the next one builds on them [RFC 9113 10.5.1]', () => {
    const decoder = new HeaderDecoder({ maxBytes: 1_000, maxFields: 10 })
    const many = Buffer.concat([hex('40 01 61 01 62'), Buffer.alloc(20, 0xbe)])
    expect(decoder.decode(many)).toBeUndefined()
    expect(read(decoder, hex('be'))).toEqual(['a: b'])
    expect(read(decoder, Buffer.alloc(10, 0xbe))?.length).toBe(10)
  })

  it('cost nothing but their bytes when they say one large field again and again', () => {
    const decoder = new HeaderDecoder(limits)
    const large = encodeHeaders([['x', 'y'.repeat(4_000)]])
    large[0] = 0x40
    expect(decoder.decode(large)?.length).toBe(1)
    const bomb = Buffer.alloc(65_000, 0xbe)
    const before = process.memoryUsage().heapUsed
    for (let n = 0; n < 20; n++) expect(decoder.decode(bomb)).toBeUndefined()
    expect(process.memoryUsage().heapUsed - before).toBeLessThan(20_000_000)
  })
})
