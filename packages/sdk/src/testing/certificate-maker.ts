import { createHash, createPublicKey, type KeyObject, randomBytes, sign } from 'node:crypto'
import {
  DerCursor,
  derBitString,
  derElement,
  derOid,
  derSequence,
  derTag,
  derTime,
  derUnsigned,
} from '../x509/index.ts'

/** Purposes of a key, by the names of RFC 5280. */
export type TestKeyUsage =
  | 'digitalSignature'
  | 'contentCommitment'
  | 'keyEncipherment'
  | 'dataEncipherment'
  | 'keyAgreement'
  | 'keyCertSign'
  | 'cRLSign'

/** What a test certificate says. Anything goes, right or wrong: nothing is checked. */
export interface TestCertificateOptions {
  /** The certificate's key; only its public half is used. */
  readonly publicKey: KeyObject
  readonly uris?: readonly string[]
  readonly dnsNames?: readonly string[]
  /** Common name; the empty string makes an empty subject. @default 'test' */
  readonly commonName?: string
  readonly notBefore: Date
  readonly notAfter: Date
  /** Left out: no basic constraints extension at all. */
  readonly isCa?: boolean
  readonly pathLength?: number
  /** Left out: no key usage extension at all. */
  readonly keyUsage?: readonly TestKeyUsage[]
  /** Dotted OIDs. */
  readonly extKeyUsage?: readonly string[]
  /** Unsigned, big-endian. @default 16 random bytes */
  readonly serialNumber?: Uint8Array
  /** Further extensions, DER, see {@link testExtension}; they come last. */
  readonly extensions?: readonly Uint8Array[]
}

/** Who signs a test certificate. */
export interface TestIssuer {
  /** Name, DER. */
  readonly name: Uint8Array
  readonly privateKey: KeyObject
  readonly keyId?: Uint8Array
}

const usageBits: readonly TestKeyUsage[] = [
  'digitalSignature',
  'contentCommitment',
  'keyEncipherment',
  'dataEncipherment',
  'keyAgreement',
  'keyCertSign',
  'cRLSign',
]
const critical = Buffer.of(derTag.boolean, 1, 0xff)

/** Makes and signs a certificate, DER. ECDSA and RSA keys sign with SHA-256. */
export function makeTestCertificate(issuer: TestIssuer, options: TestCertificateOptions): Buffer {
  const algorithm = algorithmOf(issuer.privateKey)
  const spki = createSpki(options.publicKey)
  const extensions = [...standardExtensions(options, issuer.keyId), ...(options.extensions ?? [])]
  const tbs = derSequence(
    derElement(0xa0, Buffer.of(derTag.integer, 1, 2)),
    derUnsigned(options.serialNumber ?? Buffer.concat([Buffer.of(1), randomBytes(15)])),
    algorithm,
    issuer.name,
    derSequence(timeOf(options.notBefore), timeOf(options.notAfter)),
    testName(options.commonName ?? 'test'),
    spki,
    derElement(0xa3, derSequence(...extensions)),
  )
  return signTestCertificate(tbs, algorithm, issuer.privateKey)
}

/** Signs whatever is given as the certificate's content. */
export function signTestCertificate(
  tbs: Uint8Array,
  algorithm: Uint8Array,
  privateKey: KeyObject,
): Buffer {
  const hash = privateKey.asymmetricKeyType === 'ed25519' ? undefined : 'sha256'
  return derSequence(tbs, algorithm, derBitString(sign(hash, tbs, privateKey)))
}

/** A name with one common name, or with nothing. */
export function testName(commonName: string): Buffer {
  if (commonName === '') return derSequence()
  const value = derElement(derTag.utf8String, Buffer.from(commonName, 'utf8'))
  return derSequence(derElement(derTag.set, derSequence(derOid('2.5.4.3'), value)))
}

/** One extension, DER. */
export function testExtension(oid: string, isCritical: boolean, value: Uint8Array): Buffer {
  const octets = derElement(derTag.octetString, value)
  return derSequence(derOid(oid), ...(isCritical ? [critical] : []), octets)
}

/** Subject key identifier of a public key [RFC 5280 4.2.1.2, method 1]. */
export function testKeyId(publicKey: KeyObject): Buffer {
  const outer = DerCursor.over(createSpki(publicKey))
  const fields = outer.enter(derTag.sequence)
  fields.take(derTag.sequence)
  const bits = fields.content(fields.take(derTag.bitString)).subarray(1)
  return createHash('sha1').update(bits).digest()
}

function createSpki(key: KeyObject): Buffer {
  const publicKey = key.type === 'private' ? createPublicKey(key) : key
  return publicKey.export({ type: 'spki', format: 'der' })
}

function algorithmOf(privateKey: KeyObject): Buffer {
  switch (privateKey.asymmetricKeyType) {
    case 'ec':
      return derSequence(derOid('1.2.840.10045.4.3.2'))
    case 'rsa':
      return derSequence(derOid('1.2.840.113549.1.1.11'), Buffer.of(derTag.null, 0))
    case 'ed25519':
      return derSequence(derOid('1.3.101.112'))
    default:
      throw new TypeError(`test certificates are not signed with ${privateKey.asymmetricKeyType}`)
  }
}

function standardExtensions(
  options: TestCertificateOptions,
  issuerKeyId: Uint8Array | undefined,
): readonly Uint8Array[] {
  const { keyUsage, isCa, pathLength, extKeyUsage, uris = [], dnsNames = [] } = options
  const found: Uint8Array[] = []
  if (keyUsage) found.push(testExtension('2.5.29.15', true, usageValue(keyUsage)))
  if (extKeyUsage)
    found.push(testExtension('2.5.29.37', false, derSequence(...extKeyUsage.map(derOid))))
  if (isCa !== undefined) {
    const limit = pathLength === undefined ? [] : [derUnsigned(Buffer.of(pathLength))]
    const value = derSequence(...(isCa ? [critical] : []), ...limit)
    found.push(testExtension('2.5.29.19', true, value))
  }
  const keyId = derElement(derTag.octetString, testKeyId(options.publicKey))
  found.push(testExtension('2.5.29.14', false, keyId))
  if (issuerKeyId)
    found.push(testExtension('2.5.29.35', false, derSequence(derElement(0x80, issuerKeyId))))
  const names = [
    ...dnsNames.map((name) => derElement(0x82, Buffer.from(name, 'latin1'))),
    ...uris.map((uri) => derElement(0x86, Buffer.from(uri, 'latin1'))),
  ]
  if (names.length > 0)
    found.push(testExtension('2.5.29.17', options.commonName === '', derSequence(...names)))
  return found
}

function usageValue(usages: readonly TestKeyUsage[]): Buffer {
  const bits = usages.reduce((sum, usage) => sum | (0x80 >> usageBits.indexOf(usage)), 0)
  const unused = bits === 0 ? 0 : 31 - Math.clz32(bits & -bits)
  return bits === 0
    ? Buffer.of(derTag.bitString, 1, 0)
    : Buffer.of(derTag.bitString, 2, unused, bits)
}

function timeOf(time: Date): Buffer {
  return derTime(Math.floor(time.getTime() / 1000))
}
