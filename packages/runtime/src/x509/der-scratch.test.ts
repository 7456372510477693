import { derElement, derTag } from '@mini-spire/sdk/x509'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { DerScratch } from './der-scratch.ts'

describe('DerScratch', () => {
  it('writes what derElement writes, of any length and depth', () => {
    const scratch = new DerScratch()
    const parts = fc.array(fc.uint8Array({ maxLength: 400, size: 'max' }), { maxLength: 6 })
    fc.assert(
      fc.property(parts, fc.integer({ min: 1, max: 4 }), (contents, depth) => {
        scratch.rewind(0)
        let expected: Buffer = Buffer.concat(contents)
        for (const content of contents.toReversed()) scratch.raw(content)
        for (let level = 0; level < depth; level++) {
          scratch.wrap(derTag.sequence, 0)
          expected = derElement(derTag.sequence, expected)
        }
        expect(scratch.since(0).equals(expected)).toBe(true)
        expect(scratch.length).toBe(expected.length)
      }),
    )
  })

  it.each([0x7f, 0x80, 0xff, 0x100, 0xffff, 0x10000, 0x1000000])(
    'has the shortest length of %i octets',
    (count) => {
      const scratch = new DerScratch()
      const content = Buffer.alloc(count, 7)
      scratch.raw(content)
      scratch.wrap(derTag.octetString, 0)
      expect(scratch.since(0).equals(derElement(derTag.octetString, content))).toBe(true)
    },
  )

  it('wraps only what came since, and forgets on request', () => {
    const scratch = new DerScratch()
    scratch.raw(Buffer.of(1))
    const end = scratch.length
    scratch.text('ab')
    scratch.rewind(end)
    scratch.text('é')
    scratch.wrap(0x86, end)
    expect([...scratch.since(0)]).toEqual([0x86, 1, 0xe9, 1])
    expect([...scratch.since(end)]).toEqual([0x86, 1, 0xe9])
  })
})
