import { createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto'
import { describe, expect, it, vi } from 'vitest'
import { makeTestCertificate, TestCa, testName } from '../testing/index.ts'
import { Certificate, parseCertificate } from './certificate.ts'
import { chainLimits, verifyChain } from './verify-chain.ts'

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

  it('of authorities that all sign each other costs a bounded number of signature checks [gate 9]', () => {
    const name = testName('round')
    const keys = Array.from({ length: 4 }, () => {
      return generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey
    })
    const signed = (key: (typeof keys)[number], signer: (typeof keys)[number]): Certificate =>
      parseCertificate(
        makeTestCertificate(
          { name, privateKey: signer },
          {
            publicKey: createPublicKey(key),
            notBefore: new Date(0),
            notAfter: new Date(1e13),
            commonName: 'round',
            isCa: true,
            keyUsage: ['keyCertSign'],
          },
        ),
      )
    const round = keys.flatMap((key) =>
      keys.filter((signer) => signer !== key).map((signer) => signed(key, signer)),
    )
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    const leaf = signed(privateKey, keys[0] ?? privateKey)
    const checks = vi.spyOn(Certificate.prototype, 'publicKey', 'get')
    try {
      expect(() => verify([leaf, ...round])).toThrow(code('ERR_CERTIFICATE_UNTRUSTED'))
      expect(checks.mock.calls.length).toBeGreaterThan(20)
      expect(checks.mock.calls.length).toBeLessThanOrEqual(chainLimits.maxSignatureChecks)
    } finally {
      checks.mockRestore()
    }
  })
  it('leads through nobody twice, whoever signed whom', () => {
    const keyOf = (): KeyObject => generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey
    const one = { commonName: 'one', key: keyOf() }
    const other = { commonName: 'other', key: keyOf() }
    const root = { commonName: 'root', key: keyOf() }
    const leaf = { commonName: 'leaf', key: keyOf() }
    const signed = (holder: typeof one, signer: typeof one): Certificate =>
      parseCertificate(
        makeTestCertificate(
          { name: testName(signer.commonName), privateKey: signer.key },
          {
            publicKey: createPublicKey(holder.key),
            notBefore: new Date(0),
            notAfter: new Date(1e13),
            commonName: holder.commonName,
            isCa: holder !== leaf,
            ...(holder !== leaf && { keyUsage: ['keyCertSign'] }),
          },
        ),
      )
    const [first, way] = [signed(leaf, one), signed(one, root)]
    const top = signed(root, root)
    const round = [signed(one, other), signed(other, one), way]
    expect(verifyChain({ chain: [first, ...round], roots: [top], now })).toEqual([first, way, top])
  })
})
