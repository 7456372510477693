import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { parsePem, pemDecode, pemEncode } from './pem.ts'

const block = pemEncode('CERTIFICATE', Buffer.alloc(100, 7))

describe('PEM', () => {
  it.each([
    ['a block without END', block.replace('-----END', '-----FIN')],
    ['a block that is cut off', block.slice(0, 60)],
    ['a BEGIN line that is cut off', '-----BEGIN CERTIFICATE'],
    ['an END of another label', block.replace('END CERTIFICATE', 'END RSA KEY')],
    ['content that is not base64', block.replace('BwcH', 'Bw!H')],
    ['base64 that is not canonical', '-----BEGIN X-----\nQR==\n-----END X-----\n'],
    ['no content', '-----BEGIN X-----\n-----END X-----\n'],
    ['headers', '-----BEGIN X-----\nProc-Type: 4,ENCRYPTED\n\nQUJD\n-----END X-----\n'],
  ])('refuses %s [RFC 7468 3]', (_, text) => {
    expect(() => parsePem(text)).toThrow(expect.objectContaining({ code: 'ERR_PEM_MALFORMED' }))
  })

  it('skips text between blocks and blocks of another label', () => {
    const text = `a note\n${block}# note\r\n-----BEGIN X-----\r\nQUJD\r\n-----END X-----\r\n\n`
    expect(parsePem(text).map(({ label }) => label)).toEqual(['CERTIFICATE', 'X'])
    expect(pemDecode(text, 'X').map(String)).toEqual([String(Buffer.from('ABC'))])
  })

  it('reads what it writes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1, maxLength: 500 }), (der) => {
        const text = pemEncode('CERTIFICATE', der)
        expect(text.split('\n').every((line) => line.length <= 64)).toBe(true)
        expect(pemDecode(text, 'CERTIFICATE').map((one) => Buffer.from(one))).toEqual([
          Buffer.from(der),
        ])
      }),
    )
  })

  it.each([
    ['BEGIN lines', '-----BEGIN '.repeat(900_000)],
    ['dashes', '-'.repeat(10_000_000)],
    ['END lines of other labels', `-----BEGIN A-----\n${'-----END B-----\n'.repeat(600_000)}`],
    ['blocks', '-----BEGIN A-----\nQQ==\n-----END A-----\n'.repeat(250_000)],
    ['line breaks', `-----BEGIN A-----\n${'\n'.repeat(9_000_000)}`],
  ])('takes less than a second of a processor for 10 MB of %s', (_, text) => {
    const before = process.cpuUsage()
    try {
      parsePem(text)
    } catch (error) {
      expect(error).toHaveProperty('code', 'ERR_PEM_MALFORMED')
    }
    const { user, system } = process.cpuUsage(before)
    expect((user + system) / 1000).toBeLessThan(1_000)
  })
})
