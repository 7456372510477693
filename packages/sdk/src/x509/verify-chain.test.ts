import { describe, expect, it } from 'vitest'
import { TestCa } from '../testing/index.ts'
import type { Certificate } from './certificate.ts'
import { verifyChain } from './verify-chain.ts'

const now = new Date('2026-03-01T12:00:00Z')
const ca = TestCa.create('example.org', { now: () => now })
const { chain } = ca.issueX509Svid('/web')
const verify = (path: readonly Certificate[], at: Date = now): unknown =>
  verifyChain({ chain: path, roots: [ca.certificate], now: at })
const code = (value: string): unknown => expect.objectContaining({ code: value })

describe('a chain', () => {
  it.each([
    ['later', '2027-03-01T12:00:00Z'],
    ['earlier', '2025-03-01T12:00:00Z'],
  ])('is refused as expired when the leaf was valid %s', (_, at) => {
    expect(() => verify(chain, new Date(at))).toThrow(code('ERR_CERTIFICATE_EXPIRED'))
  })

  it('is refused whatever roots there are when it is empty or endless', () => {
    expect(() => verify([])).toThrow(code('ERR_CERTIFICATE_REFUSED'))
    const endless = [...chain, ...Array.from({ length: 99 }, () => ca.certificate)]
    expect(() => verify(endless)).toThrow(code('ERR_CERTIFICATE_REFUSED'))
  })

  it('that no root vouches for is untrusted, and what the nearest one lacks is its cause', () => {
    const stranger = TestCa.create('example.org', { now: () => now })
    expect(stranger.certificate.subjectRaw).toEqual(ca.certificate.subjectRaw)
    expect(() => verify(stranger.issueX509Svid('/web').chain)).toThrow(
      expect.objectContaining({
        code: 'ERR_CERTIFICATE_UNTRUSTED',
        cause: code('ERR_SIGNATURE_REFUSED'),
      }),
    )
  })
})
