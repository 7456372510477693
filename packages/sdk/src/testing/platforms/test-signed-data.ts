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
  /** Names the signature algorithm where the digest should stand, as Azure does. @default false */
  readonly isDigestMisnamed?: boolean
  /** What is signed in place of the content. */
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
}

/** Makes signed data, DER, as Azure's metadata service does. Written without the library that reads it. */
export function makeSignedData(options: TestSignedData): Buffer {
  const { content, signers, contentType = oids.data, isDetached = false } = options
  const certificates = options.certificates ?? signers.map((one) => one.certificate)
  const algorithms = signers.map((one) => digestAlgorithm(one))
  const octets = isDetached
    ? []
    : [derElement(0xa0, derElement(derTag.octetString, Buffer.from(content)))]
  const body = derSequence(
    derUnsigned(Buffer.of(1)),
    derElement(derTag.set, ...algorithms),
    derSequence(derOid(contentType), ...octets),
    ...(certificates.length > 0 ? [derElement(0xa0, ...certificates)] : []),
    derElement(derTag.set, ...signers.map((one) => signerInfo(one, content))),
  )
  return derSequence(derOid(oids.signedData), derElement(0xa0, body))
}

function signerInfo(signer: TestSigner, content: Uint8Array): Buffer {
  const { certificate, privateKey, digest = 'sha256' } = signer
  const { issuerRaw, serialNumber } = parseCertificate(certificate)
  const hex = BigInt(serialNumber).toString(16)
  const serial = Buffer.from(hex.length % 2 === 0 ? hex : `0${hex}`, 'hex')
  const attributes = attributesOf(signer, content)
  const signed = signer.signed ?? (attributes ? derElement(derTag.set, ...attributes) : content)
  const isRsa = privateKey.asymmetricKeyType === 'rsa'
  return derSequence(
    derUnsigned(Buffer.of(1)),
    derSequence(issuerRaw, derUnsigned(serial)),
    digestAlgorithm(signer),
    ...(attributes ? [derElement(0xa0, ...attributes)] : []),
    isRsa ? algorithm(oids.rsa) : derSequence(derOid(oids.ecdsaWithSha256)),
    derElement(derTag.octetString, sign(digest, signed, privateKey)),
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

function digestAlgorithm({ digest = 'sha256', isDigestMisnamed = false }: TestSigner): Buffer {
  return algorithm(isDigestMisnamed ? oids.sha256WithRsa : oids[digest])
}

function algorithm(oid: string): Buffer {
  return derSequence(derOid(oid), nothing)
}
