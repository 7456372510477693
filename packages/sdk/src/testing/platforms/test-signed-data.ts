import { createHash, type KeyObject, sign } from 'node:crypto'
import {
  derElement,
  derOid,
  derSequence,
  derTag,
  derTime,
  derUnsigned,
  parseCertificate,
} from '../../x509/index.ts'

const oids = {
  data: '1.2.840.113549.1.7.1',
  signedData: '1.2.840.113549.1.7.2',
  sha1: '1.3.14.3.2.26',
  sha256WithRsa: '1.2.840.113549.1.1.11',
  sha256: '2.16.840.1.101.3.4.2.1',
  rsa: '1.2.840.113549.1.1.1',
  ecdsaWithSha256: '1.2.840.10045.4.3.2',
  contentType: '1.2.840.113549.1.9.3',
  messageDigest: '1.2.840.113549.1.9.4',
  signingTime: '1.2.840.113549.1.9.5',
}
const nothing = Buffer.of(derTag.null, 0)
const constructedOctets = 0x24

/** A key and its certificate, DER. */
export interface TestHolder {
  readonly certificate: Buffer
  readonly privateKey: KeyObject
}

/** One signature. */
export interface TestSigner {
  /** DER; by its issuer and serial number the signer is named. */
  readonly certificate: Uint8Array
  readonly privateKey: KeyObject
  /** Signs attributes that hold the digest of the content, not the content itself. @default false */
  readonly hasAttributes?: boolean
  /** Further or other attributes than these: type and DER value. */
  readonly attributes?: readonly (readonly [string, Uint8Array])[]
  /** @default none */
  readonly signingTime?: Date
  /** @default sha256 */
  readonly digest?: 'sha1' | 'sha256'
  /** What the digest is called: a dotted OID. Azure names the signature algorithm here. @default the digest's */
  readonly digestName?: string
  /** What is signed, or digested for the attributes, in place of the content. */
  readonly signed?: Uint8Array
}

/** What {@link makeSignedData} puts together. Anything goes, right or wrong: nothing is checked. */
export interface TestSignedData {
  readonly content: Uint8Array
  readonly signers: readonly TestSigner[]
  /** DER, in this order. @default those of the signers */
  readonly certificates?: readonly Uint8Array[]
  /** @default data */
  readonly contentType?: string
  /** Leaves the content out. @default false */
  readonly isDetached?: boolean
  /** Does not tell the lengths of the outer layers (BER), as AWS does not. @default false */
  readonly isEndless?: boolean
}

/** The name of RSA signatures with SHA-256, which Azure gives where a digest should be named. */
export const sha256WithRsa: string = oids.sha256WithRsa

/** Makes signed data (PKCS #7) as metadata services do, DER unless it is told otherwise. */
export function makeSignedData(options: TestSignedData): Buffer {
  const { content, signers, contentType = oids.data, isDetached, isEndless = false } = options
  const certificates = options.certificates ?? signers.map((one) => one.certificate)
  const outer = isEndless ? endless : derElement
  const octets = derElement(derTag.octetString, Buffer.from(content))
  const inside = isEndless ? endless(constructedOctets, octets) : octets
  const body = outer(
    derTag.sequence,
    derUnsigned(Buffer.of(1)),
    derElement(derTag.set, ...signers.map(digestAlgorithm)),
    outer(derTag.sequence, derOid(contentType), ...(isDetached ? [] : [outer(0xa0, inside)])),
    ...(certificates.length > 0 ? [derElement(0xa0, ...certificates)] : []),
    derElement(derTag.set, ...signers.map((one) => signerInfo(one, content))),
  )
  return outer(derTag.sequence, derOid(oids.signedData), outer(0xa0, body))
}

function signerInfo(signer: TestSigner, content: Uint8Array): Buffer {
  const { certificate, privateKey, digest = 'sha256', signed = content } = signer
  const { issuerRaw, serialNumber } = parseCertificate(certificate)
  const hex = BigInt(serialNumber).toString(16)
  const serial = Buffer.from(hex.length % 2 === 0 ? hex : `0${hex}`, 'hex')
  const attributes = attributesOf(signer, signed)
  const isRsa = privateKey.asymmetricKeyType === 'rsa'
  const bytes = attributes ? derElement(derTag.set, ...attributes) : signed
  return derSequence(
    derUnsigned(Buffer.of(1)),
    derSequence(issuerRaw, derUnsigned(serial)),
    digestAlgorithm(signer),
    ...(attributes ? [derElement(0xa0, ...attributes)] : []),
    isRsa ? algorithm(oids.rsa) : derSequence(derOid(oids.ecdsaWithSha256)),
    derElement(derTag.octetString, sign(digest, bytes, privateKey)),
  )
}

function attributesOf(signer: TestSigner, content: Uint8Array): readonly Buffer[] | undefined {
  const { hasAttributes = false, attributes = [], signingTime, digest = 'sha256' } = signer
  if (!hasAttributes && attributes.length === 0 && !signingTime) return undefined
  const hash = derElement(derTag.octetString, createHash(digest).update(content).digest())
  const standard: readonly (readonly [string, Uint8Array])[] = [
    [oids.contentType, derOid(oids.data)],
    [oids.messageDigest, hash],
    ...(signingTime ? [[oids.signingTime, derTime(signingTime.getTime() / 1000)] as const] : []),
  ]
  const all = hasAttributes || signingTime ? [...standard, ...attributes] : attributes
  return all.map(([type, value]) => derSequence(derOid(type), derElement(derTag.set, value)))
}

function digestAlgorithm({ digest = 'sha256', digestName = oids[digest] }: TestSigner): Buffer {
  return algorithm(digestName)
}

function algorithm(oid: string): Buffer {
  return derSequence(derOid(oid), nothing)
}

/** An element that ends where its content does [X.690 8.1.3.6]. */
function endless(tag: number, ...content: readonly Uint8Array[]): Buffer {
  return Buffer.concat([Buffer.of(tag, 0x80), ...content, Buffer.of(0, 0)])
}
