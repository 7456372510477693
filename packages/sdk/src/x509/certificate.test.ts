import 'reflect-metadata'
import { createPublicKey, generateKeyPairSync, X509Certificate } from 'node:crypto'
import {
  AuthorityKeyIdentifierExtension,
  BasicConstraintsExtension,
  ExtendedKeyUsageExtension,
  KeyUsageFlags,
  KeyUsagesExtension,
  X509Certificate as PeculiarCertificate,
  SubjectAlternativeNameExtension,
  SubjectKeyIdentifierExtension,
} from '@peculiar/x509'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  makeTestCertificate,
  type TestCertificateOptions,
  type TestKeyUsage,
  testName,
} from '../testing/index.ts'
import { parseCertificate, parseCertificates } from './certificate.ts'
import { derElement, derSequence } from './der-writer.ts'

const issuerKey = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey
const keys = [
  generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey,
  generateKeyPairSync('ec', { namedCurve: 'P-384' }).publicKey,
  generateKeyPairSync('rsa', { modulusLength: 2048 }).publicKey,
  generateKeyPairSync('ed25519').publicKey,
]
const usages: readonly TestKeyUsage[] = [
  'digitalSignature',
  'keyEncipherment',
  'keyAgreement',
  'keyCertSign',
  'cRLSign',
]
const seconds = (min: string, max: string): fc.Arbitrary<Date> =>
  fc
    .integer({ min: Date.parse(min) / 1000, max: Date.parse(max) / 1000 })
    .map((value) => new Date(value * 1000))

/** What a certificate may say, right or wrong. */
const makeOptions: fc.Arbitrary<TestCertificateOptions> = fc.record(
  {
    publicKey: fc.constantFrom(...keys),
    uris: fc.array(fc.constantFrom('spiffe://example.org/a', 'https://a.test/', 'urn:x:y')),
    dnsNames: fc.array(fc.constantFrom('a.test', '*.b.test')),
    commonName: fc.string({ unit: 'grapheme', minLength: 1, maxLength: 20 }),
    notBefore: seconds('1960-01-01T00:00:00Z', '2060-01-01T00:00:00Z'),
    notAfter: seconds('1960-01-01T00:00:00Z', '9999-12-31T23:59:59Z'),
    isCa: fc.boolean(),
    pathLength: fc.integer({ min: 0, max: 127 }),
    keyUsage: fc.uniqueArray(fc.constantFrom(...usages), { minLength: 1 }),
    extKeyUsage: fc.uniqueArray(
      fc.constantFrom(
        '1.3.6.1.5.5.7.3.1',
        '1.3.6.1.5.5.7.3.2',
        '1.3.6.1.4.1.311.20.2.2',
        '2.999.3',
      ),
      { minLength: 1 },
    ),
    serialNumber: fc.uint8Array({ minLength: 1, maxLength: 20 }),
  },
  { requiredKeys: ['publicKey', 'notBefore', 'notAfter'] },
)

/** A certificate that says so, signed by an issuer with a key identifier. */
function testCertificate(options: Partial<TestCertificateOptions>): Buffer {
  const issuer = { name: testName('issuer'), privateKey: issuerKey, keyId: Buffer.alloc(20, 9) }
  return makeTestCertificate(issuer, {
    publicKey: issuerKey,
    notBefore: new Date(0),
    notAfter: new Date(1e12),
    ...options,
  })
}

describe('a certificate', () => {
  it('reads as @peculiar/x509 and Node read it, in every field', () => {
    fc.assert(
      fc.property(makeOptions, (options) => {
        const der = testCertificate(options)
        const ours = parseCertificate(der)
        const theirs = new PeculiarCertificate(der)
        const node = new X509Certificate(der)
        expect(BigInt(ours.serialNumber)).toBe(BigInt(`0x${theirs.serialNumber}`))
        expect(ours.serialNumber).toBe(BigInt(`0x${node.serialNumber}`).toString())
        expect(ours.notBefore).toEqual(theirs.notBefore)
        expect(ours.notAfter).toEqual(theirs.notAfter)
        expect(Buffer.from(ours.spki)).toEqual(Buffer.from(theirs.publicKey.rawData))
        expect(ours.publicKey.equals(node.publicKey)).toBe(true)
        expect(Buffer.from(ours.subjectRaw)).toEqual(
          Buffer.from(theirs.subjectName.toArrayBuffer()),
        )
        expect(Buffer.from(ours.issuerRaw)).toEqual(Buffer.from(theirs.issuerName.toArrayBuffer()))
        expect(ours.isCa).toBe(theirs.getExtension(BasicConstraintsExtension)?.ca ?? false)
        expect(ours.pathLength).toBe(theirs.getExtension(BasicConstraintsExtension)?.pathLength)
        expect(ours.extKeyUsage).toEqual(
          theirs.getExtension(ExtendedKeyUsageExtension)?.usages ?? [],
        )
        const names = theirs.getExtension(SubjectAlternativeNameExtension)?.names.items ?? []
        const textsOf = (type: string): string[] =>
          names.filter((one) => one.type === type).map((one) => one.value)
        expect(ours.uriSans).toEqual(textsOf('url'))
        expect(ours.dnsNames).toEqual(textsOf('dns'))
        const keyId = theirs.getExtension(SubjectKeyIdentifierExtension)?.keyId
        expect(ours.subjectKeyId && Buffer.from(ours.subjectKeyId).toString('hex')).toBe(keyId)
        const issuerKeyId = theirs.getExtension(AuthorityKeyIdentifierExtension)?.keyId
        expect(ours.authorityKeyId && Buffer.from(ours.authorityKeyId).toString('hex')).toBe(
          issuerKeyId,
        )
        const usages = theirs.getExtension(KeyUsagesExtension)?.usages
        expect(ours.keyUsage?.keyCertSign).toBe(has(usages, KeyUsageFlags.keyCertSign))
        expect(ours.keyUsage?.cRLSign).toBe(has(usages, KeyUsageFlags.cRLSign))
        expect(ours.keyUsage?.digitalSignature).toBe(has(usages, KeyUsageFlags.digitalSignature))
      }),
      { numRuns: 60 },
    )
  })

  it('is read or refused with a code, whatever bytes it is, within a bound', () => {
    const nested = fc.letrec<{ der: Buffer }>((tie) => ({
      der: fc.oneof(
        { maxDepth: 5 },
        fc.uint8Array({ maxLength: 20 }).map((bytes) => Buffer.from(bytes)),
        fc
          .tuple(
            fc.constantFrom(0x30, 0x31, 0xa0, 0xa3, 0x03, 0x04, 0x06, 0x02),
            fc.array(tie('der')),
          )
          .map(([tag, parts]) => derElement(tag, ...parts)),
      ),
    })).der
    fc.assert(
      fc.property(fc.oneof(nested, fc.uint8Array({ maxLength: 300 })), (der) => {
        try {
          parseCertificate(der)
          expect.fail('random bytes are no certificate')
        } catch (error) {
          expect((error as { code?: string }).code).toMatch(/^ERR_(DER|CERTIFICATE)_MALFORMED$/)
        }
      }),
      { numRuns: 1000 },
    )
  })

  it('of several that stand together is read in order, and half a last one is refused', () => {
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    const [a, b] = ['a', 'b'].map((commonName) =>
      testCertificate({ commonName, publicKey: createPublicKey(privateKey) }),
    ) as [Buffer, Buffer]
    expect(parseCertificates(Buffer.concat([a, b])).map((one) => Buffer.from(one.raw))).toEqual([
      a,
      b,
    ])
    expect(parseCertificates(Buffer.of())).toEqual([])
    expect(() => parseCertificates(Buffer.concat([a, b.subarray(0, 50)]))).toThrow(
      expect.objectContaining({ code: 'ERR_DER_MALFORMED' }),
    )
  })

  it('may have as many names as an entry may, within its length', () => {
    const dnsNames = Array.from({ length: 2_000 }, (_, index) => `name${index}.example.org`)
    expect(parseCertificate(testCertificate({ dnsNames })).dnsNames).toEqual(dnsNames)
  })

  it('that is too long is refused before it is read', () => {
    const huge = derSequence(derSequence(Buffer.alloc(70_000)))
    expect(() => parseCertificate(huge)).toThrow(
      expect.objectContaining({ code: 'ERR_CERTIFICATE_MALFORMED' }),
    )
  })
})

function has(usages: number | undefined, flag: number): boolean | undefined {
  return usages === undefined ? undefined : (usages & flag) !== 0
}
