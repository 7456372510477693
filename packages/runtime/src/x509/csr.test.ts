import 'reflect-metadata'
import { execFileSync } from 'node:child_process'
import { createPublicKey, generateKeyPairSync, type KeyObject, sign, webcrypto } from 'node:crypto'
import { isSpiffeError } from '@mini-spire/sdk/errors'
import {
  derBitString,
  derElement,
  derOid,
  derSequence,
  derTag,
  derUnsigned,
  rsaModulusBits,
} from '@mini-spire/sdk/x509'
import {
  Pkcs10CertificateRequest,
  Pkcs10CertificateRequestGenerator,
  SubjectAlternativeNameExtension,
} from '@peculiar/x509'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { buildCsr, maxCsrBytes, parseCsr } from './csr.ts'
import { encodeName } from './name.ts'

const p256 = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey
const rsa2048 = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey
const subject = { country: ['US'], organization: ['SPIRE'] }
const rsaAlgorithm = derSequence(derOid('1.2.840.113549.1.1.1'), Buffer.of(derTag.null, 0))
const ecdsaSha256 = derSequence(derOid('1.2.840.10045.4.3.2'))
const rsaSha256 = derSequence(derOid('1.2.840.113549.1.1.11'), Buffer.of(derTag.null, 0))

/** A request put together by hand, so that each part can be wrong. */
function request(parts: {
  readonly spki?: Uint8Array
  readonly attributes?: readonly Uint8Array[]
  readonly algorithm?: Uint8Array
  readonly signature?: (info: Buffer) => Uint8Array
}): Buffer {
  const info = derSequence(
    Buffer.of(derTag.integer, 1, 0),
    encodeName(subject),
    parts.spki ?? spkiOf(p256),
    derElement(0xa0, ...(parts.attributes ?? [])),
  )
  const signature = parts.signature?.(info) ?? sign('sha256', info, p256)
  return derSequence(info, parts.algorithm ?? ecdsaSha256, derBitString(signature))
}

function spkiOf(key: KeyObject): Buffer {
  return createPublicKey(key).export({ type: 'spki', format: 'der' })
}

function rsaSpki(modulus: Uint8Array, exponent: Uint8Array): Buffer {
  const key = derSequence(derUnsigned(modulus), derUnsigned(exponent))
  return derSequence(rsaAlgorithm, derBitString(key))
}

function oddModulus(bits: number): Buffer {
  const modulus = Buffer.alloc(bits / 8, 0x5a)
  modulus[0] = 0xc1
  modulus[modulus.length - 1] = 0x0b
  return modulus
}

const san = (...names: readonly Buffer[]): Buffer =>
  derSequence(derOid('2.5.29.17'), derElement(derTag.octetString, derSequence(...names)))
const requested = (...extensions: readonly Uint8Array[]): Buffer =>
  derSequence(derOid('1.2.840.113549.1.9.14'), derElement(derTag.set, derSequence(...extensions)))
const uri = (text: string): Buffer => derElement(0x86, Buffer.from(text, 'utf8'))

function sanOf(read: Pkcs10CertificateRequest): SubjectAlternativeNameExtension | undefined {
  return read.extensions.find((one) => one instanceof SubjectAlternativeNameExtension)
}

async function refusalOf(act: () => Promise<void>): Promise<string | undefined> {
  try {
    await act()
    return undefined
  } catch (error) {
    if (isSpiffeError(error)) return error.code
    throw error
  }
}

const readAll = async (der: Uint8Array): Promise<void> => {
  const csr = parseCsr(der)
  await csr.verifySignature()
  csr.parseSubject()
  csr.parseSubjectAltName()
}

describe('a signing request', () => {
  const p224 = generateKeyPairSync('ec', { namedCurve: 'secp224r1' }).privateKey
  const secp256k1 = generateKeyPairSync('ec', { namedCurve: 'secp256k1' }).privateKey
  const dsa = generateKeyPairSync('ed448').privateKey
  const compressed = derSequence(
    derSequence(derOid('1.2.840.10045.2.1'), derOid('1.2.840.10045.3.1.7')),
    derBitString(Buffer.concat([Buffer.of(2), Buffer.alloc(32, 7)])),
  )
  const offCurve = derSequence(
    derSequence(derOid('1.2.840.10045.2.1'), derOid('1.2.840.10045.3.1.7')),
    derBitString(Buffer.concat([Buffer.of(4), Buffer.alloc(64, 7)])),
  )
  const f4 = Buffer.of(1, 0, 1)

  it.each<[string, string, () => Uint8Array]>([
    ['nothing', 'ERR_DER_MALFORMED', () => Buffer.of()],
    ['text', 'ERR_DER_MALFORMED', () => Buffer.from('-----BEGIN CERTIFICATE REQUEST-----')],
    ['trailing data', 'ERR_DER_MALFORMED', () => Buffer.concat([request({}), Buffer.of(0)])],
    ['an indefinite length', 'ERR_DER_MALFORMED', () => Buffer.of(0x30, 0x80, 0, 0)],
    ['a length that is not the shortest', 'ERR_DER_MALFORMED', () => Buffer.of(0x30, 0x81, 1, 0)],
    ['a lying length', 'ERR_DER_MALFORMED', () => Buffer.of(0x30, 0x84, 255, 255, 255, 255)],
    ['a curve of 224 bits', 'ERR_PUBLIC_KEY_REFUSED', () => request({ spki: spkiOf(p224) })],
    ['secp256k1', 'ERR_PUBLIC_KEY_REFUSED', () => request({ spki: spkiOf(secp256k1) })],
    ['Ed448', 'ERR_PUBLIC_KEY_REFUSED', () => request({ spki: spkiOf(dsa) })],
    ['RSA 512', 'ERR_PUBLIC_KEY_REFUSED', () => request({ spki: rsaSpki(oddModulus(512), f4) })],
    ['RSA 1024', 'ERR_PUBLIC_KEY_REFUSED', () => request({ spki: rsaSpki(oddModulus(1024), f4) })],
    [
      'RSA 16384',
      'ERR_PUBLIC_KEY_REFUSED',
      () => request({ spki: rsaSpki(oddModulus(16384), f4) }),
    ],
    [
      'RSA exponent 1',
      'ERR_PUBLIC_KEY_REFUSED',
      () => request({ spki: rsaSpki(oddModulus(2048), Buffer.of(1)) }),
    ],
    [
      'an even RSA exponent',
      'ERR_PUBLIC_KEY_REFUSED',
      () => request({ spki: rsaSpki(oddModulus(2048), Buffer.of(1, 0, 0)) }),
    ],
    [
      'an RSA exponent of 64 bits',
      'ERR_PUBLIC_KEY_REFUSED',
      () => request({ spki: rsaSpki(oddModulus(2048), Buffer.alloc(8, 0x11)) }),
    ],
    [
      'RSA modulus 0',
      'ERR_PUBLIC_KEY_MALFORMED',
      () => request({ spki: rsaSpki(Buffer.of(0), f4) }),
    ],
    ['a compressed point', 'ERR_PUBLIC_KEY_MALFORMED', () => request({ spki: compressed })],
    ['a point off the curve', 'ERR_PUBLIC_KEY_MALFORMED', () => request({ spki: offCurve })],
    [
      "another key's signature",
      'ERR_CSR_SIGNATURE',
      () =>
        request({
          signature: (info) =>
            sign('sha256', info, generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey),
        }),
    ],
    ['an empty signature', 'ERR_CSR_SIGNATURE', () => request({ signature: () => Buffer.of() })],
    [
      'a signature of RSA by an EC key',
      'ERR_CSR_SIGNATURE',
      () => request({ algorithm: rsaSha256 }),
    ],
    [
      'a signature over SHA-1',
      'ERR_CSR_SIGNATURE',
      () =>
        request({
          algorithm: derSequence(derOid('1.2.840.10045.4.1')),
          signature: (info) => sign('sha1', info, p256),
        }),
    ],
    [
      'an unknown signature algorithm',
      'ERR_CSR_SIGNATURE',
      () => request({ algorithm: derSequence(derOid('1.2.3.4')) }),
    ],
    [
      'RSA-PSS with a salt of another length',
      'ERR_CSR_SIGNATURE',
      () =>
        request({
          spki: spkiOf(rsa2048),
          algorithm: derSequence(derOid('1.2.840.113549.1.1.10'), derSequence()),
        }),
    ],
    [
      'a URI that is not ASCII',
      'ERR_DER_MALFORMED',
      () => request({ attributes: [requested(san(uri('spiffe://exämple.org/x')))] }),
    ],
    [
      'an extension asked for twice',
      'ERR_CSR_MALFORMED',
      () =>
        request({ attributes: [requested(san(uri('spiffe://a/b')), san(uri('spiffe://a/c')))] }),
    ],
    [
      'an extension asked for in two attributes',
      'ERR_CSR_MALFORMED',
      () =>
        request({
          attributes: [requested(san(uri('spiffe://a/b'))), requested(san(uri('spiffe://a/c')))],
        }),
    ],
    [
      'a megabyte of extensions',
      'ERR_CSR_MALFORMED',
      () => request({ attributes: [requested(san(uri('x'.repeat(2 ** 20))))] }),
    ],
  ])('with %s is refused', async (_, code, make) => {
    expect(await refusalOf(() => readAll(make()))).toBe(code)
  })

  it('that is cut off anywhere is refused', async () => {
    const whole = request({ attributes: [requested(san(uri('spiffe://example.org/a')))] })
    for (let length = 0; length < whole.length; length++)
      expect(await refusalOf(() => readAll(whole.subarray(0, length)))).toBeDefined()
  })

  it('with any one bit flipped is refused', async () => {
    const whole = request({ attributes: [requested(san(uri('spiffe://example.org/a')))] })
    for (let bit = 0; bit < whole.length * 8; bit += 5) {
      const flipped = Buffer.from(whole)
      flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7))
      expect(await refusalOf(() => readAll(flipped))).toBeDefined()
    }
  })

  it('of random bytes is refused and nothing else happens', async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 400 }), async (bytes) => {
        expect(await refusalOf(() => readAll(bytes))).toBeDefined()
        expect(await refusalOf(() => readAll(derSequence(bytes)))).toBeDefined()
      }),
    )
  })

  it.each<[string, () => Uint8Array]>([
    [
      'the greatest length, in the smallest names',
      () => {
        const names = Buffer.concat(Array.from({ length: maxCsrBytes / 2 - 300 }, () => uri('')))
        return request({ attributes: [requested(san(names))] })
      },
    ],
    [
      'the greatest modulus and exponent',
      () =>
        request({
          spki: rsaSpki(oddModulus(rsaModulusBits.max), Buffer.alloc(4, 0xff)),
          algorithm: rsaSha256,
          signature: () => Buffer.alloc(rsaModulusBits.max / 8, 0x55),
        }),
    ],
  ])('of %s is no longer than what is read, and gets an answer', async (_, make) => {
    const worst = make()
    expect(worst.length).toBeLessThanOrEqual(maxCsrBytes)
    const refusal = await refusalOf(() => readAll(worst))
    expect(refusal ?? 'read').toMatch(/^(read|ERR_[A-Z_]+)$/)
  })
})

describe('a signing request of', () => {
  const openssl = (...args: readonly string[]): Buffer =>
    execFileSync('openssl', args as string[], { stdio: ['pipe', 'pipe', 'ignore'] })
  const hasOpenssl = ((): boolean => {
    try {
      openssl('version')
      return true
    } catch {
      return false
    }
  })()

  it.skipIf(!hasOpenssl).each([
    ['ec-p256', ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256']],
    ['ec-p384', ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-384', '-sha384']],
    ['ec-p521', ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-521', '-sha512']],
    ['rsa', ['-newkey', 'rsa:2048']],
    [
      'rsa',
      ['-newkey', 'rsa:2048', '-sigopt', 'rsa_padding_mode:pss', '-sigopt', 'rsa_pss_saltlen:32'],
    ],
    ['ed25519', ['-newkey', 'ed25519']],
  ])('OpenSSL with a key %s is read and verified', async (kind, args) => {
    const names = 'subjectAltName=URI:spiffe://example.org/web,DNS:a.example.org,DNS:b'
    const der = openssl(
      ...['req', '-new', '-nodes', '-keyout', '/dev/null', '-outform', 'DER'],
      ...['-subj', '/C=DE/O=One/O=Two/CN=web', '-addext', names, ...args],
    )
    const csr = parseCsr(der)
    await csr.verifySignature()
    expect(csr.publicKey.kind).toBe(kind)
    expect(csr.parseSubjectAltName()).toEqual({
      uris: ['spiffe://example.org/web'],
      dnsNames: ['a.example.org', 'b'],
    })
    expect(csr.parseSubject()).toEqual({
      name: { country: ['DE'], organization: ['One', 'Two'], commonName: 'web' },
      isEmpty: false,
    })
  })

  it('@peculiar/x509 is read and verified', async () => {
    const keys = await webcrypto.subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-256' }, true, [
      'sign',
      'verify',
    ])
    const made = await Pkcs10CertificateRequestGenerator.create({
      name: 'C=US, O=SPIRE',
      keys,
      signingAlgorithm: { name: 'ECDSA', hash: 'SHA-256' },
      extensions: [
        new SubjectAlternativeNameExtension([{ type: 'url', value: 'spiffe://example.org/x' }]),
      ],
    })
    const csr = parseCsr(new Uint8Array(made.rawData))
    await csr.verifySignature()
    expect(csr.parseSubjectAltName().uris).toEqual(['spiffe://example.org/x'])
    expect(Buffer.from(csr.spki)).toEqual(Buffer.from(made.publicKey.rawData))
  })

  it.each([
    ['P-256', p256],
    ['P-384', generateKeyPairSync('ec', { namedCurve: 'P-384' }).privateKey],
    ['RSA', rsa2048],
  ])('ours with %s is accepted by @peculiar/x509 and says what was asked for', async (_, key) => {
    const der = await buildCsr({ key, subject, uriSan: 'spiffe://example.org/x', dnsNames: ['a'] })
    const read = new Pkcs10CertificateRequest(Buffer.from(der))
    expect(await read.verify()).toBe(true)
    expect(read.subject).toBe('C=US, O=SPIRE')
    const names = sanOf(read)
    expect(names?.names.toJSON()).toEqual([
      { type: 'dns', value: 'a' },
      { type: 'url', value: 'spiffe://example.org/x' },
    ])
    const csr = parseCsr(der)
    await csr.verifySignature()
    expect(Buffer.from(csr.spki)).toEqual(spkiOf(key))
  })

  it('nobody in particular has an empty subject, and asks critically [RFC 5280 4.2.1.6]', async () => {
    const der = await buildCsr({ key: p256, uriSan: 'spiffe://example.org/x' })
    const read = new Pkcs10CertificateRequest(Buffer.from(der))
    expect(read.subject).toBe('')
    expect(sanOf(read)?.critical).toBe(true)
    expect(parseCsr(der).parseSubject()).toEqual({ name: {}, isEmpty: true })
  })
})
