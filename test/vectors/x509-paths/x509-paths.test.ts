import { testExtension } from '@mini-spire/sdk/testing'
import { derElement, derSequence, parseCertificate, verifyChain } from '@mini-spire/sdk/x509'
import { describe, expect, it } from 'vitest'
import { makePath, makePathRoot, type PathCase, pathCases } from './paths.ts'

const now = new Date('2026-03-01T12:00:00Z')
const root = makePathRoot(now)
const roots = [parseCertificate(root.certificate)]

/** Undefined: the path holds. */
function refusalOf(one: PathCase): unknown {
  try {
    const chain = makePath(one, root, now).chain.map(parseCertificate)
    verifyChain({ chain, roots, now })
    return undefined
  } catch (error) {
    return error
  }
}

describe('a path', () => {
  it.each(pathCases.map((one) => [one.title, one] as const))('%s [RFC 5280 6.1]', (_, one) => {
    const refusal = refusalOf(one)
    if (one.holds) expect(refusal).toBeUndefined()
    else expect(refusal).toMatchObject({ code: expect.stringMatching(/^ERR_CERTIFICATE_/) })
  })

  it.each([
    ['policies that are none', '2.5.29.32', Buffer.of(1)],
    ['more policies than anybody has', '2.5.29.32', derSequence(...Array(129).fill(policy()))],
    ['constraints that constrain nothing', '2.5.29.36', derSequence()],
    ['a negative count', '2.5.29.36', derSequence(derElement(0x80, Buffer.of(0xff)))],
    ['a count without end', '2.5.29.54', derElement(2, Buffer.alloc(9, 1))],
    ['half a mapping', '2.5.29.33', derSequence(derSequence(derElement(6, Buffer.of(42, 3))))],
  ])('cannot be read with %s', (title, oid, value) => {
    const extensions = [[testExtension(oid, true, value)]]
    expect(refusalOf({ title, extensions, holds: false })).toMatchObject({
      code: expect.stringMatching(/_MALFORMED$/),
    })
  })

  it('of a hundred policies and mappings each is decided at once', () => {
    const list = (make: (n: number) => Uint8Array): Uint8Array =>
      derSequence(...Array.from({ length: 100 }, (_, n) => make(n)))
    const policies = testExtension('2.5.29.32', false, list(policy))
    const oid = (n: number): Uint8Array => derElement(6, Buffer.of(42, 3, n))
    const all = [0, 1].flatMap((step) =>
      Array.from({ length: 60 }, (_, n) => derSequence(oid(n), oid((n + step) % 100))),
    )
    const mappings = testExtension('2.5.29.33', true, derSequence(...all))
    const demand = testExtension('2.5.29.36', true, derSequence(derElement(0x80, Buffer.of(0))))
    const middle = [policies, mappings]
    const extensions = [[demand, ...middle], ...Array(6).fill(middle), [policies]]
    expect(refusalOf({ title: '', extensions, holds: true })).toBeUndefined()
  })
})

function policy(n = 0): Uint8Array {
  return derSequence(derElement(6, Buffer.of(42, 3, n)))
}
