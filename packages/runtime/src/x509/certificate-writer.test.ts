import 'reflect-metadata'
import { execFileSync } from 'node:child_process'
import { createPublicKey, generateKeyPairSync, type KeyObject, X509Certificate } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  type Certificate,
  keyIdentifier,
  type PublicKey,
  parseCertificate,
  parsePublicKey,
} from '@mini-spire/sdk/x509'
import {
  AuthorityKeyIdentifierExtension,
  BasicConstraintsExtension,
  ExtendedKeyUsageExtension,
  KeyUsagesExtension,
  X509Certificate as Peculiar,
  SubjectAlternativeNameExtension,
  SubjectKeyIdentifierExtension,
} from '@peculiar/x509'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type CertificateFields, CertificateWriter, type Issuer } from './certificate-writer.ts'
import { encodeName } from './name.ts'
import { SerialNumbers, serialNumberText } from './serial-number.ts'
import { type CertificateSigner, signerFromKeyObject } from './signer.ts'
import { spireLeaf, spireRoot } from './spire-certificates.test-kit.ts'

const ecKey = (namedCurve: string): KeyObject =>
  generateKeyPairSync('ec', { namedCurve }).privateKey
const rsaKey = (modulusLength: number): KeyObject =>
  generateKeyPairSync('rsa', { modulusLength }).privateKey
const publicKeyOf = (key: KeyObject): PublicKey =>
  parsePublicKey(createPublicKey(key).export({ type: 'spki', format: 'der' }))

const caKey = ecKey('P-256')
const caName = encodeName({ country: ['US'], organization: ['SPIFFE'], serialNumber: '7' })
const issuerOf = (key: KeyObject): Issuer => ({
  name: caName,
  keyId: keyIdentifier(publicKeyOf(key)),
  signer: signerFromKeyObject(key),
})
const leafKey = publicKeyOf(ecKey('P-256'))
const fields: CertificateFields = {
  serialNumber: Buffer.of(1, 2, 3),
  notBeforeSeconds: 1_700_000_000,
  notAfterSeconds: 4_000_000_000,
  subject: encodeName({ country: ['US'], organization: ['SPIRE'], commonName: 'a.example' }),
  publicKey: leafKey,
  uri: 'spiffe://example.org/web',
  dnsNames: ['a.example', '*.b'],
}
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')

describe('a certificate', () => {
  it.each([
    ['P-256', caKey, 'SHA-256'],
    ['P-384', ecKey('P-384'), 'SHA-384'],
    ['RSA 2048', rsaKey(2048), 'SHA-256'],
  ])('signed with %s is equal in every field for @peculiar/x509', async (_, key, hash) => {
    const der = await new CertificateWriter(issuerOf(key), 'leaf').write(fields)
    const read = new Peculiar(Buffer.from(der))
    const spki = Buffer.from(publicKeyOf(key).spki)
    expect(await read.verify({ publicKey: spki, signatureOnly: true })).toBe(true)
    expect((read.signatureAlgorithm as { hash?: { name: string } }).hash?.name).toBe(hash)
    expect(read.serialNumber).toBe('010203')
    expect(read.notBefore).toEqual(new Date(1_700_000_000_000))
    expect(read.notAfter).toEqual(new Date(4_000_000_000_000))
    expect(read.issuer).toBe('C=US, O=SPIFFE, 2.5.4.5=7')
    expect(read.subject).toBe('C=US, O=SPIRE, CN=a.example')
    expect(hex(new Uint8Array(read.publicKey.rawData))).toBe(hex(leafKey.spki))
    expect(read.extensions.map((one) => [one.type, one.critical])).toEqual([
      ['2.5.29.15', true],
      ['2.5.29.37', false],
      ['2.5.29.19', true],
      ['2.5.29.14', false],
      ['2.5.29.35', false],
      ['2.5.29.17', false],
    ])
    expect(read.getExtension(KeyUsagesExtension)?.usages).toBe(1 | 4 | 16)
    expect(read.getExtension(ExtendedKeyUsageExtension)?.usages).toEqual([
      '1.3.6.1.5.5.7.3.1',
      '1.3.6.1.5.5.7.3.2',
    ])
    const constraints = read.getExtension(BasicConstraintsExtension)
    expect(constraints).toMatchObject({ ca: false, pathLength: undefined })
    expect(read.getExtension(SubjectKeyIdentifierExtension)?.keyId).toBe(
      hex(keyIdentifier(leafKey)),
    )
    expect(read.getExtension(AuthorityKeyIdentifierExtension)?.keyId).toBe(
      hex(keyIdentifier(publicKeyOf(key))),
    )
    expect(read.getExtension(SubjectAlternativeNameExtension)?.names.toJSON()).toEqual([
      { type: 'dns', value: 'a.example' },
      { type: 'dns', value: '*.b' },
      { type: 'url', value: 'spiffe://example.org/web' },
    ])
  })

  it('of a CA may sign and nothing else, without a path length', async () => {
    const key = publicKeyOf(caKey)
    const self = { name: caName, keyId: undefined, signer: signerFromKeyObject(caKey) }
    const der = await new CertificateWriter(self, 'ca').write({
      ...fields,
      subject: caName,
      publicKey: key,
      uri: 'spiffe://example.org',
      dnsNames: [],
    })
    const read = new Peculiar(Buffer.from(der))
    expect(read.extensions.map((one) => [one.type, one.critical])).toEqual([
      ['2.5.29.15', true],
      ['2.5.29.19', true],
      ['2.5.29.14', false],
      ['2.5.29.17', false],
    ])
    expect(read.getExtension(KeyUsagesExtension)?.usages).toBe(32 | 64)
    expect(read.getExtension(BasicConstraintsExtension)).toMatchObject({
      ca: true,
      pathLength: undefined,
    })
    const node = new X509Certificate(der)
    expect(node.verify(createPublicKey(caKey))).toBe(true)
    expect(node.ca).toBe(true)
  })

  it('without a subject has critical names [RFC 5280 4.2.1.6]', async () => {
    const writer = new CertificateWriter(issuerOf(caKey), 'leaf')
    const der = await writer.write({ ...fields, subject: encodeName({}) })
    const names = new Peculiar(Buffer.from(der)).getExtension(SubjectAlternativeNameExtension)
    expect(names?.critical).toBe(true)
  })

  it('from 2050 on has generalized time, before it UTC time [RFC 5280 4.1.2.5]', async () => {
    const writer = new CertificateWriter(issuerOf(caKey), 'leaf')
    for (const text of ['2049-12-31T23:59:59Z', '2050-01-01T00:00:00Z', '9999-12-31T23:59:59Z']) {
      const notAfterSeconds = Date.parse(text) / 1000
      const der = await writer.write({ ...fields, notAfterSeconds })
      const tag = text < '2050' ? 0x17 : 0x18
      expect(der.includes(Buffer.concat([Buffer.of(tag), lengthOf(tag)]))).toBe(true)
      expect(new Peculiar(Buffer.from(der)).notAfter).toEqual(new Date(text))
    }
  })

  const lengthOf = (tag: number): Buffer => Buffer.of(tag === 0x17 ? 13 : 15)

  it('has its serial number as a positive integer in the shortest form', async () => {
    const writer = new CertificateWriter(issuerOf(caKey), 'leaf')
    await fc.assert(
      fc.asyncProperty(fc.bigInt({ min: 1n, max: 2n ** 128n - 1n }), async (number) => {
        const serialNumber = Buffer.from(number.toString(16).padStart(32, '0'), 'hex')
        const read = new X509Certificate(await writer.write({ ...fields, serialNumber }))
        expect(BigInt(`0x${read.serialNumber}`)).toBe(number)
        expect(serialNumberText(serialNumber)).toBe(number.toString())
      }),
      { numRuns: 40 },
    )
  })

  it('is made on the spot by a key in memory, and waits for one that is elsewhere', async () => {
    const issuer = issuerOf(caKey)
    expect(new CertificateWriter(issuer, 'leaf').write(fields)).toBeInstanceOf(Buffer)
    const { signSync: _, ...remote } = issuer.signer
    const later = new CertificateWriter({ ...issuer, signer: remote }, 'leaf').write(fields)
    expect(later).toBeInstanceOf(Promise)
    expect(new X509Certificate(await later).verify(createPublicKey(caKey))).toBe(true)
  })

  it('passes OpenSSL with every kind of CA key', async ({ skip }) => {
    const folder = mkdtempSync(join(tmpdir(), 'mini-spire-x509-'))
    const openssl = (...args: readonly string[]): string =>
      execFileSync('openssl', args as string[], { cwd: folder, encoding: 'utf8' })
    try {
      openssl('version')
    } catch {
      skip('no openssl here')
    }
    for (const key of [caKey, ecKey('P-384'), rsaKey(2048)]) {
      const self = { ...issuerOf(key), keyId: undefined }
      const root = { ...fields, subject: caName, publicKey: publicKeyOf(key), dnsNames: [] }
      const written = await new CertificateWriter(self, 'ca').write({
        ...root,
        uri: 'spiffe://example.org',
      })
      const leaf = await new CertificateWriter(issuerOf(key), 'leaf').write(fields)
      writeFileSync(join(folder, 'root'), new X509Certificate(written).toString())
      writeFileSync(join(folder, 'leaf'), new X509Certificate(leaf).toString())
      const check = ['verify', '-x509_strict', '-purpose', 'sslserver', '-CAfile', 'root', 'leaf']
      expect(openssl(...check)).toBe('leaf: OK\n')
    }
    rmSync(folder, { recursive: true })
  })
})

describe('against certificates that SPIRE signed', () => {
  const leaf = parseCertificate(Buffer.from(spireLeaf, 'base64'))
  const root = parseCertificate(Buffer.from(spireRoot, 'base64'))

  /** Writes a certificate with the same facts, and SPIRE's own signature in the place of ours. */
  const rewritten = async (read: Certificate, profile: 'leaf' | 'ca'): Promise<Uint8Array> => {
    const signer: CertificateSigner = {
      type: 'ec-p256',
      publicKey: root.spki,
      sign: async () => read.signature.signature,
    }
    const keyId = read === root ? undefined : root.subjectKeyId
    const dnsName = read.dnsNames[0]
    const subject =
      read === root
        ? { country: ['US'], organization: ['SPIFFE'], serialNumber: root.serialNumber }
        : { country: ['US'], organization: ['SPIRE'], ...(dnsName && { commonName: dnsName }) }
    return await new CertificateWriter({ name: root.subjectRaw, keyId, signer }, profile).write({
      serialNumber: Buffer.from(BigInt(read.serialNumber).toString(16).padStart(32, '0'), 'hex'),
      notBeforeSeconds: read.notBefore.getTime() / 1000,
      notAfterSeconds: read.notAfter.getTime() / 1000,
      subject: encodeName(subject),
      publicKey: parsePublicKey(read.spki),
      uri: read.uriSans[0] ?? '',
      dnsNames: read.dnsNames,
    })
  }

  it('a leaf with the same facts has the same bytes', async () => {
    expect(hex(await rewritten(leaf, 'leaf'))).toBe(hex(leaf.raw))
  })

  it('a root with the same facts has the same bytes', async () => {
    expect(hex(await rewritten(root, 'ca'))).toBe(hex(root.raw))
  })
})

describe('serial numbers', () => {
  it('are never zero', () => {
    let isFirst = true
    const serials = new SerialNumbers((pool) => {
      pool.fill(0)
      if (!isFirst) pool[31] = 1
      isFirst = false
    })
    expect(serialNumberText(serials.draw())).toBe('1')
  })

  it('do not repeat, and are the caller’s own', () => {
    const serials = new SerialNumbers()
    const drawn = Array.from({ length: 1000 }, () => serials.draw())
    expect(new Set(drawn.map(serialNumberText)).size).toBe(1000)
  })
})
