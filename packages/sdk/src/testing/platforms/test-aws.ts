import { createHash, generateKeyPairSync, type KeyObject, sign, X509Certificate } from 'node:crypto'
import { derElement, derOid, derSequence, derTag, derUnsigned } from '../../x509/index.ts'
import { makeTestCertificate, testName } from '../certificate-maker.ts'

const oids = {
  data: '1.2.840.113549.1.7.1',
  signedData: '1.2.840.113549.1.7.2',
  contentType: '1.2.840.113549.1.9.3',
  messageDigest: '1.2.840.113549.1.9.4',
  sha256: '2.16.840.1.101.3.4.2.1',
  sha256WithRsa: '1.2.840.113549.1.1.11',
}
const context = (number: number, ...content: readonly Uint8Array[]): Buffer =>
  derElement(0xa0 | number, ...content)
const integer = (value: number): Buffer => derUnsigned(Buffer.of(value))
const octets = (content: Uint8Array): Buffer => derElement(derTag.octetString, content)
const setOf = (...content: readonly Uint8Array[]): Buffer => derElement(derTag.set, ...content)
const algorithm = (oid: string): Buffer => derSequence(derOid(oid), derElement(derTag.null))
const attribute = (oid: string, value: Uint8Array): Buffer => derSequence(derOid(oid), setOf(value))
/** BER of indefinite length, as AWS writes the outer layers. */
const endless = (tag: number, ...content: readonly Uint8Array[]): Buffer =>
  Buffer.concat([Buffer.of(tag, 0x80), ...content, Buffer.of(0, 0)])

/** A key that signs, and the certificate (DER) that names it. */
export interface TestSigner {
  readonly key: KeyObject
  readonly certificate: Buffer
}

/** An RSA key with a certificate as self-signed as those of AWS. */
export function makeTestSigner(modulusLength: 1024 | 2048, commonName = 'AWS'): TestSigner {
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength })
  const [notBefore, notAfter] = [new Date(0), new Date(4e12)]
  const issuer = { name: testName(commonName), privateKey }
  const certificate = makeTestCertificate(issuer, { publicKey: privateKey, notBefore, notAfter })
  return { key: privateKey, certificate }
}

/** One SignerInfo, right unless it is told otherwise. */
export interface TestSignerInfo {
  readonly signer: TestSigner
  /** Whom it names. @default its own certificate */
  readonly named?: Uint8Array
  /** @default the content of the message */
  readonly digested?: Uint8Array
  /** @default SHA-256's */
  readonly digestOid?: string
  /** @default true */
  readonly hasSignedAttributes?: boolean
}

/** A PKCS #7 message, as AWS sends it unless it is told otherwise. */
export interface TestMessage {
  readonly content: Uint8Array
  readonly signerInfos: readonly TestSignerInfo[]
  /** Certificates (DER) that it brings along. AWS sends none. */
  readonly bag?: readonly Uint8Array[]
  /** @default data */
  readonly contentType?: string
  /** @default true */
  readonly isContentInside?: boolean
}

/** Encodes a PKCS #7 message, signed. */
export function makeTestMessage(message: TestMessage): Buffer {
  const { content, signerInfos, bag = [], contentType = oids.data } = message
  const inside =
    message.isContentInside === false ? [] : [endless(0xa0, endless(0x24, octets(content)))]
  return endless(
    derTag.sequence,
    derOid(oids.signedData),
    endless(
      0xa0,
      endless(
        derTag.sequence,
        integer(1),
        setOf(algorithm(oids.sha256)),
        endless(derTag.sequence, derOid(contentType), ...inside),
        ...(bag.length > 0 ? [context(0, ...bag)] : []),
        setOf(...signerInfos.map((info) => signerInfo(info, content))),
      ),
    ),
  )
}

function signerInfo(info: TestSignerInfo, content: Uint8Array): Buffer {
  const { signer, digested = content, digestOid = oids.sha256, hasSignedAttributes = true } = info
  const named = new X509Certificate(info.named ?? signer.certificate)
  const serial = Buffer.from(
    named.serialNumber.padStart(named.serialNumber.length + (named.serialNumber.length % 2), '0'),
    'hex',
  )
  const attributes = Buffer.concat([
    attribute(oids.contentType, derOid(oids.data)),
    attribute(oids.messageDigest, octets(createHash('sha256').update(digested).digest())),
  ])
  const signed = hasSignedAttributes ? setOf(attributes) : content
  return derSequence(
    integer(1),
    derSequence(issuerOf(named), derUnsigned(serial)),
    algorithm(digestOid),
    ...(hasSignedAttributes ? [context(0, attributes)] : []),
    algorithm(oids.sha256WithRsa),
    octets(sign('sha256', signed, signer.key)),
  )
}

function issuerOf(certificate: X509Certificate): Buffer {
  const [, commonName = ''] = /CN=(.*)/.exec(certificate.issuer) ?? []
  return testName(commonName)
}

/** Fields of a document; anything else that is put there is signed too. */
export type TestDocument = Readonly<Record<string, unknown>>

const usualDocument: TestDocument = {
  accountId: '123456789012',
  architecture: 'x86_64',
  availabilityZone: 'us-west-2a',
  billingProducts: null,
  devpayProductCodes: null,
  marketplaceProductCodes: null,
  imageId: 'ami-0a1b2c3d4e5f60718',
  instanceId: 'i-0123456789abcdef0',
  instanceType: 't3.micro',
  kernelId: null,
  pendingTime: '2026-11-01T10:00:00Z',
  privateIp: '10.0.0.7',
  ramdiskId: null,
  region: 'us-west-2',
  version: '2017-09-30',
}

/** What an agent shows. */
export interface TestEvidence {
  readonly document: string
  readonly signature: string
  readonly rsa2048: string
}

/** Certificates by region, DER in base64. */
export interface TestAwsCertificates {
  readonly rsa1024: Readonly<Record<string, string>>
  readonly rsa2048: Readonly<Record<string, string>>
  /** Of the key that signs `signature` in every other region. */
  readonly defaultRsa1024: string
}

/**
 * AWS, as far as it signs instance identity documents: keys of its own for some regions, and evidence by them, right or
 * wrong.
 */
export class TestAws {
  readonly signers: ReadonlyMap<
    string,
    { readonly rsa1024: TestSigner; readonly rsa2048: TestSigner }
  >
  /** Signs `signature` in regions that are not known. */
  readonly defaultSigner: TestSigner = makeTestSigner(1024)
  /** What a verifier must trust in place of AWS. */
  readonly certificates: TestAwsCertificates

  constructor(regions: readonly string[] = ['us-west-2', 'eu-west-1']) {
    this.signers = new Map(
      regions.map((region) => [
        region,
        { rsa1024: makeTestSigner(1024), rsa2048: makeTestSigner(2048, `AWS ${region}`) },
      ]),
    )
    const table = (kind: 'rsa1024' | 'rsa2048'): Readonly<Record<string, string>> =>
      Object.fromEntries(
        [...this.signers].map(([region, by]) => [region, by[kind].certificate.toString('base64')]),
      )
    this.certificates = {
      rsa1024: table('rsa1024'),
      rsa2048: table('rsa2048'),
      defaultRsa1024: this.defaultSigner.certificate.toString('base64'),
    }
  }

  /** A document as the metadata service prints it. */
  document(change: TestDocument = {}): string {
    const lines = Object.entries({ ...usualDocument, ...change })
      .filter(([, value]) => value !== undefined)
      .map(([key, value]) => `  ${JSON.stringify(key)} : ${JSON.stringify(value)}`)
    return `{\n${lines.join(',\n')}\n}`
  }

  /** The keys of a region. */
  signersOf(region: string): { readonly rsa1024: TestSigner; readonly rsa2048: TestSigner } {
    const found = this.signers.get(region)
    if (!found) throw new Error(`no keys for ${region}`)
    return found
  }

  /** The bare signature of a document. */
  signature(document: string, signer: TestSigner = this.signersOf('us-west-2').rsa1024): string {
    return lines(sign('sha256', Buffer.from(document), signer.key))
  }

  /** The PKCS #7 of a document. */
  rsa2048(document: string, change: Partial<TestMessage> = {}): string {
    const signerInfos = [{ signer: this.signersOf('us-west-2').rsa2048 }]
    return lines(makeTestMessage({ content: Buffer.from(document), signerInfos, ...change }))
  }

  /** Document and both signatures, as an agent shows them. */
  evidence(change: TestDocument = {}): TestEvidence {
    const document = this.document(change)
    return {
      document,
      signature: this.signature(document),
      rsa2048: this.rsa2048(document),
    }
  }
}

/** Base64 in lines of 76, as the metadata service gives it. */
function lines(bytes: Uint8Array): string {
  return (
    Buffer.from(bytes)
      .toString('base64')
      .match(/.{1,76}/g) ?? []
  ).join('\n')
}
