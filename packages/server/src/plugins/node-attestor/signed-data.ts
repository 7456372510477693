import { type Certificate, parseCertificate } from '@mini-spire/sdk/x509'
import type * as Pki from 'pkijs'

const maxBytes = 64 * 1024
const maxCertificates = 16
const maxSigners = 4
const dataType = '1.2.840.113549.1.7.1'
const signedDataType = '1.2.840.113549.1.7.2'
const attributeTypes = {
  contentType: '1.2.840.113549.1.9.3',
  messageDigest: '1.2.840.113549.1.9.4',
  signingTime: '1.2.840.113549.1.9.5',
}
const sha256 = '2.16.840.1.101.3.4.2.1'
const sha384 = '2.16.840.1.101.3.4.2.2'
const sha512 = '2.16.840.1.101.3.4.2.3'
/** Digests, by what signers call them: Azure names the signature algorithm here. */
const digests: ReadonlyMap<string, string> = new Map([
  [sha256, sha256],
  [sha384, sha384],
  [sha512, sha512],
  ['1.2.840.113549.1.1.11', sha256],
  ['1.2.840.113549.1.1.12', sha384],
  ['1.2.840.113549.1.1.13', sha512],
])
/** RSA with the digest named beside it, RSA and ECDSA with one of those. */
const signatures: ReadonlySet<string> = new Set([
  '1.2.840.113549.1.1.1',
  '1.2.840.113549.1.1.11',
  '1.2.840.113549.1.1.12',
  '1.2.840.113549.1.1.13',
  '1.2.840.10045.4.3.2',
  '1.2.840.10045.4.3.3',
  '1.2.840.10045.4.3.4',
])

type PkiModule = (typeof Pki)['default']

/** An element, as the library has read it. Elements are told by their tags: the library's classes are not at hand. */
interface Element {
  readonly idBlock: { readonly tagClass: number; readonly tagNumber: number }
  readonly valueBlock: object
  readonly valueBeforeDecodeView: Uint8Array
}
const universal = 1
const contextSpecific = 3
const tags = { octetString: 4, objectIdentifier: 6, sequence: 16, utcTime: 23 }
/** What may follow the content where lengths are not told: the ends of the two elements around it. */
const maxEndOctets = 4

/**
 * Signed data of the Cryptographic Message Syntax [RFC 5652 5], which was called PKCS #7, in DER or BER.
 *
 * The certificates in it are whoever's who wrote it, in any order; nothing is said of who signed until
 * {@link SignedData.contentSignedBy} has checked, which is the only way to the content.
 */
export class SignedData {
  /** The certificates that came with it. */
  readonly certificates: readonly Certificate[]
  readonly #parsed: Pki.SignedData
  readonly #pki: PkiModule

  private constructor(
    pki: PkiModule,
    parsed: Pki.SignedData,
    certificates: readonly Certificate[],
  ) {
    this.#pki = pki
    this.#parsed = parsed
    this.certificates = certificates
  }

  /** @throws {Error} whose text repeats nothing of what was read */
  static async parse(bytes: Uint8Array): Promise<SignedData> {
    if (bytes.length > maxBytes) throw new Error('it is too long')
    // Bundled, the library is its default export alone.
    const { default: pki } = await import('pkijs')
    const content = readContent(pki, bytes)
    const certificates = rawCertificates(content).map((der) => parseCertificate(der))
    const parsed = quietly(() => new pki.SignedData({ schema: content }))
    if (parsed.signerInfos.length > maxSigners) throw new Error('it has too many signers')
    return new SignedData(pki, parsed, certificates)
  }

  /** The certificate of the one signer, if there is exactly one and its certificate came along. */
  onlySigner(): Certificate | undefined {
    const [signer, ...others] = this.#parsed.signerInfos
    if (!signer || others.length > 0) return undefined
    return this.certificates.find((certificate) => this.#isNamed(signer, certificate))
  }

  /**
   * The content, if every signer is the holder of this certificate and every signature is good. Whether the certificate
   * itself is good for anything is for the caller to know.
   *
   * @throws {Error} whose text repeats nothing of what was read
   */
  async contentSignedBy(certificate: Certificate): Promise<Uint8Array> {
    const { eContentType, eContent } = this.#parsed.encapContentInfo
    if (eContentType !== dataType || !eContent || !isUniversal(eContent, tags.octetString)) {
      throw new Error('it holds no data')
    }
    const content = new Uint8Array(eContent.getValue())
    if (content.length === 0) throw new Error('it holds no data')
    if (this.#parsed.signerInfos.length === 0) throw new Error('nobody signed it')
    this.#parsed.certificates = [this.#holderOf(certificate)]
    for (const [index, signer] of this.#parsed.signerInfos.entries()) {
      if (!this.#isNamed(signer, certificate)) throw new Error('somebody else signed it')
      this.#checkAlgorithms(signer)
      this.#checkAttributes(signer, certificate)
      if (!(await this.#isSigned(index))) throw new Error('the signature is wrong')
    }
    return content
  }

  async #isSigned(index: number): Promise<boolean> {
    try {
      return await this.#parsed.verify({ signer: index })
    } catch {
      return false
    }
  }

  #checkAlgorithms(signer: Pki.SignerInfo): void {
    const digest = digests.get(signer.digestAlgorithm.algorithmId)
    if (digest === undefined || !signatures.has(signer.signatureAlgorithm.algorithmId)) {
      throw new Error('its algorithms are not supported')
    }
    signer.digestAlgorithm = new this.#pki.AlgorithmIdentifier({ algorithmId: digest })
  }

  /** Whether the signer says that this certificate is its own: by issuer and serial number, byte for byte. */
  #isNamed({ sid }: Pki.SignerInfo, certificate: Certificate): boolean {
    if (!(sid instanceof this.#pki.IssuerAndSerialNumber)) return false
    const issuer = Buffer.from(sid.issuer.valueBeforeDecode)
    const serial = Buffer.from(sid.serialNumber.valueBlock.valueHexView).toString('hex')
    if (serial === '' || !issuer.equals(certificate.issuerRaw)) return false
    return BigInt(`0x${serial}`).toString() === certificate.serialNumber
  }

  /** What the library checks signatures with, read from the very bytes of the certificate that the caller judges. */
  #holderOf(certificate: Certificate): Pki.Certificate {
    const holder = quietly(() => this.#pki.Certificate.fromBER(certificate.raw))
    const spki = Buffer.from(holder.subjectPublicKeyInfo.toSchema().toBER())
    // Two readers, one key: what the signature is checked with is what the chain is checked for.
    if (!spki.equals(certificate.spki)) throw new Error('its signer has an unusable key')
    return holder
  }

  /** What signed attributes must say where there are any [RFC 5652 5.3, 11]; the library compares the digest. */
  #checkAttributes({ signedAttrs }: Pki.SignerInfo, certificate: Certificate): void {
    if (!signedAttrs) return
    const valuesOf = (type: string): readonly (Element | undefined)[] =>
      signedAttrs.attributes.filter((one) => one.type === type).flatMap((one) => one.values)
    const [type, ...otherTypes] = valuesOf(attributeTypes.contentType)
    const isData = isUniversal(type, tags.objectIdentifier) && String(type.valueBlock) === dataType
    const [digest, ...otherDigests] = valuesOf(attributeTypes.messageDigest)
    const hasDigest = isUniversal(digest, tags.octetString)
    if (!isData || !hasDigest || otherTypes.length > 0 || otherDigests.length > 0) {
      throw new Error('its signed attributes are not in order')
    }
    for (const time of valuesOf(attributeTypes.signingTime)) {
      const at = isUniversal(time, tags.utcTime) ? dateOf(time) : undefined
      if (at && at >= certificate.notBefore && at <= certificate.notAfter) continue
      throw new Error('it was signed when the certificate was not valid')
    }
  }
}

function readContent(pki: PkiModule, bytes: Uint8Array): Element {
  // A copy, so that offsets in it are offsets in what was given.
  const info = quietly(() => pki.ContentInfo.fromBER(Uint8Array.from(bytes)))
  const content: Element | undefined = info.content
  if (info.contentType !== signedDataType || !isUniversal(content, tags.sequence)) {
    throw unreadable()
  }
  const { byteOffset, length } = content.valueBeforeDecodeView
  const after = bytes.subarray(byteOffset + length)
  if (after.length > maxEndOctets || after.some((octet) => octet !== 0)) throw unreadable()
  return content
}

/** The certificates as they were written, for a parser of our own: the library's writes them anew. */
function rawCertificates(content: Element): readonly Uint8Array[] {
  const bag = membersOf(content).find(
    ({ idBlock }) => idBlock.tagClass === contextSpecific && idBlock.tagNumber === 0,
  )
  const members = bag ? membersOf(bag) : []
  if (members.length > maxCertificates) throw new Error('it has too many certificates')
  return members.map((member) => member.valueBeforeDecodeView)
}

function membersOf({ valueBlock }: Element): readonly Element[] {
  return 'value' in valueBlock && Array.isArray(valueBlock.value) ? valueBlock.value : []
}

function isUniversal(element: Element | undefined, tag: number): element is Element {
  return element?.idBlock.tagClass === universal && element.idBlock.tagNumber === tag
}

function dateOf(time: Element): Date | undefined {
  return 'toDate' in time && typeof time.toDate === 'function' ? time.toDate() : undefined
}

/** The library's own texts can hold what it read. */
function quietly<T>(read: () => T): T {
  try {
    return read()
  } catch {
    throw unreadable()
  }
}

function unreadable(): Error {
  return new Error('it is no signed data')
}
