import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { cleanAuthority } from './clean-authority.ts'

/** A string literal that is not compressed. */
const text = (value: string): Buffer =>
  Buffer.concat([Buffer.from([value.length]), Buffer.from(value, 'latin1')])

function cleaned(...parts: readonly (Buffer | readonly number[])[]): string {
  const block = Buffer.concat(parts.map((part) => Buffer.from(part)))
  cleanAuthority(block)
  return block.toString('latin1')
}

const latin1 = (...parts: readonly (Buffer | readonly number[])[]): string =>
  Buffer.concat(parts.map((part) => Buffer.from(part))).toString('latin1')

describe('the authority of a header block', () => {
  it.each([
    ['with a place in the table', [0x41]],
    ['without', [0x01]],
    ['that is never to be in one', [0x11]],
  ])('named by its index, %s', (_form, first) => {
    expect(cleaned(first, text('/tmp/a b.sock'))).toBe(latin1(first, text('.tmp.a.b.sock')))
  })

  it('named by its name', () => {
    const name = [Buffer.from([0x40]), text(':authority')]
    expect(cleaned(...name, text('/a'))).toBe(latin1(...name, text('.a')))
  })

  it('is found behind other headers, of every form, and before others', () => {
    const before = [
      [0x83, 0x86],
      [0x3f, 0xe1, 0x1f],
      [0x44],
      text('/a/b'),
      [0x10],
      text('x'),
      text('/y'),
    ]
    const after = [[0xff, 0x80, 0x01], [0x7f, 0x01], text('/z')]
    expect(cleaned(...before, [0x41], text('/s'), ...after)).toBe(
      latin1(...before, [0x41], text('.s'), ...after),
    )
  })

  it('stays as it is when it is one already, or compressed', () => {
    for (const name of ['localhost', "a-b.c:1%2F_~!$&'()*+,;=@[::1]"]) {
      expect(cleaned([0x41], text(name))).toBe(latin1([0x41], text(name)))
    }
    const compressed = [0x41, 0x82, 0x63, 0x2f]
    expect(cleaned(compressed)).toBe(latin1(compressed))
  })

  it('is never looked for beyond the end of the block, and nothing else is touched', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
        const block = Buffer.from(bytes)
        cleanAuthority(block)
        const changed = [...bytes.keys()].filter((at) => block[at] !== bytes[at])
        // Only what may follow an index of 1, or the name, in a literal.
        expect(
          changed.length === 0 || bytes.some((byte) => [0x41, 0x01, 0x11].includes(byte)),
        ).toBe(true)
        expect(changed.every((at) => block[at] === 0x2e)).toBe(true)
      }),
    )
  })
})
