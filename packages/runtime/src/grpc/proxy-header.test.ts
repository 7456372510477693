import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { limitKey, plainAddress } from '../client-address.ts'
import { parseProxyHeader } from './proxy-header.ts'

const signature = [0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a]
const parse = (text: string) => parseProxyHeader(Buffer.from(text, 'latin1'))

function binary(command: number, family: number, rest: readonly number[], length?: number): Buffer {
  const announced = length ?? rest.length
  return Buffer.from([...signature, command, family, announced >> 8, announced & 255, ...rest])
}

const v4 = [10, 1, 2, 3, 10, 0, 0, 1, 0x1f, 0x90, 0, 80]

describe('a PROXY header of version 1', () => {
  it.each([
    ['PROXY TCP4 192.0.2.1 192.0.2.2 4711 443\r\nrest', '192.0.2.1', 4711, 41],
    ['PROXY TCP6 2001:db8::1 ::1 1 65535\r\n', '2001:db8::1', 1, 36],
    ['PROXY TCP6 ::ffff:192.0.2.1 ::1 0 2\r\n', '192.0.2.1', 0, 37],
  ])('%j tells the client', (text, address, port, length) => {
    expect(parse(text)).toEqual({ kind: 'proxied', address, port, length })
  })

  it.each(['PROXY UNKNOWN\r\n', 'PROXY UNKNOWN ::1 ::2 1 2\r\n'])('%j tells none', (text) => {
    expect(parse(text)).toEqual({ kind: 'local', length: text.length })
  })

  it.each([
    'PROXY TCP4 192.0.2.1 192.0.2.2 4711 443\n',
    'PROXY TCP4 192.0.2.1 192.0.2.2 4711\r\n',
    'PROXY TCP4 192.0.2.1 192.0.2.2 4711 443 5\r\n',
    'PROXY TCP4 ::1 192.0.2.2 4711 443\r\n',
    'PROXY TCP6 192.0.2.1 ::1 4711 443\r\n',
    'PROXY TCP4 192.0.2.1 192.0.2.256 4711 443\r\n',
    'PROXY TCP4 192.0.2.1 192.0.2.2 65536 443\r\n',
    'PROXY TCP4 192.0.2.1 192.0.2.2 04711 443\r\n',
    'PROXY  TCP4 192.0.2.1 192.0.2.2 4711 443\r\n',
    'PROXY UDP4 192.0.2.1 192.0.2.2 4711 443\r\n',
    'PROXYjunk TCP4 192.0.2.1 192.0.2.2 4711 443\r\n',
    'PROXY UNKNOWNjunk\r\n',
    `PROXY UNKNOWN ${'x'.repeat(93)}`,
    `PROXY UNKNOWN ${'x'.repeat(95)}\r\n`,
  ])('%j is none', (text) => {
    expect(parse(text).kind).toBe('malformed')
  })
})

describe('a PROXY header of version 2', () => {
  it('tells the client, and what stands behind the addresses is skipped', () => {
    const header = binary(0x21, 0x11, [...v4, 1, 2, 3])
    const parsed = parseProxyHeader(Buffer.concat([header, Buffer.from('rest')]))
    expect(parsed).toEqual({ kind: 'proxied', address: '10.1.2.3', port: 8080, length: 31 })
  })

  it.each([
    [[0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9], '2001:db8::9'],
    [[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 192, 0, 2, 1], '192.0.2.1'],
  ])('%j is %s', (source, address) => {
    const rest = [...source, ...Array<number>(16).fill(0), 0, 5, 0, 6]
    expect(parseProxyHeader(binary(0x21, 0x21, rest))).toEqual({
      kind: 'proxied',
      address,
      port: 5,
      length: 52,
    })
  })

  it.each([
    [0x11, v4],
    [0x00, []],
    [0x11, []],
    [0x31, [1, 2, 3]],
  ])('that the proxy sends for itself (family %d) tells none', (family, rest) => {
    const header = binary(0x20, family, rest)
    expect(parseProxyHeader(header)).toEqual({ kind: 'local', length: 16 + rest.length })
  })

  it.each([
    ['a version that is not 2', binary(0x11, 0x11, v4)],
    ['an unknown command', binary(0x22, 0x11, v4)],
    ['an unknown family', binary(0x21, 0x13, v4)],
    ['no family', binary(0x21, 0x00, [])],
    ['datagrams', binary(0x21, 0x12, v4)],
    ['a Unix socket', binary(0x21, 0x31, Array<number>(216).fill(0))],
    ['addresses that are cut short', binary(0x21, 0x11, v4.slice(0, 11))],
    ['more than 4096 bytes', binary(0x21, 0x11, v4, 4097)],
    ['more than 4096 bytes of its own', binary(0x20, 0x00, [], 4097)],
  ])('with %s is none', (_, bytes) => {
    expect(parseProxyHeader(bytes).kind).toBe('malformed')
  })
})

describe('the beginning of a connection', () => {
  const whole = [Buffer.from('PROXY TCP4 192.0.2.1 192.0.2.2 4711 443\r\n'), binary(0x21, 0x11, v4)]

  it('is known as a header at its last byte, not before, and not any later', () => {
    for (const header of whole) {
      for (let length = 0; length < header.length; length++)
        expect(parseProxyHeader(header.subarray(0, length)).kind).toBe('incomplete')
      expect(parseProxyHeader(header).kind).toBe('proxied')
    }
  })

  it('that is no header is left alone', () => {
    expect(parseProxyHeader(Buffer.from([0x16, 3, 1])).kind).toBe('absent')
    expect(parse('PRI * HTTP/2.0').kind).toBe('absent')
    expect(parseProxyHeader(Buffer.from([0x0d, 0x0a, 0x0d, 0x0b])).kind).toBe('absent')
  })

  it('is bounded: garbage is never waited for beyond the longest header, and never throws', () => {
    const starts = fc.constantFrom(Buffer.from('PROXY '), Buffer.from(signature), Buffer.alloc(0))
    fc.assert(
      fc.property(starts, fc.uint8Array({ maxLength: 6_000 }), (start, tail) => {
        const bytes = Buffer.concat([start, tail])
        const { kind, ...header } = parseProxyHeader(bytes)
        if (kind === 'incomplete') expect(bytes.length).toBeLessThan(16 + 4096)
        if ('length' in header) expect(header.length).toBeLessThanOrEqual(bytes.length)
      }),
      { numRuns: 2_000 },
    )
  })
})

describe('addresses', () => {
  it.each([
    ['192.0.2.1', '192.0.2.1'],
    ['::ffff:192.0.2.1', '192.0.2.1'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
    ['2001:db8:1:2::6', '2001:db8:1:2::/64'],
    ['2001:0DB8:1:2:ffff:ffff:ffff:ffff', '2001:db8:1:2::/64'],
    ['2001:db8::1', '2001:db8:0:0::/64'],
    ['::1', '0:0:0:0::/64'],
    ['fe80::1%eth0', 'fe80:0:0:0::/64'],
    ['64:ff9b::192.0.2.1', '64:ff9b:0:0::/64'],
    ['2001:db8:1:2:3::', '2001:db8:1:2::/64'],
    ['::', '0:0:0:0::/64'],
  ])('%s is limited as %s', (address, key) => {
    expect(limitKey(address)).toBe(key)
  })

  it('are written without zone, and IPv4 as IPv4', () => {
    expect(plainAddress('::FFFF:10.0.0.1')).toBe('10.0.0.1')
    expect(plainAddress('fe80::1%lo')).toBe('fe80::1')
  })
})
