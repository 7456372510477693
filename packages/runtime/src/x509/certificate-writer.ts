import {
  derBitString,
  derElement,
  derSequence,
  derTag,
  derTime,
  derUnsigned,
  keyIdentifier,
  type PublicKey,
} from '@mini-spire/sdk/x509'
import {
  authorityKeyIdentifier,
  basicConstraintsOfCa,
  basicConstraintsOfLeaf,
  keyUsageOfCa,
  keyUsageOfLeaf,
  serverAndClientAuth,
  subjectAltNames,
  subjectKeyIdentifier,
  withExtensions,
  type X509Extension,
} from './extensions.ts'
import { type CertificateSigner, type SignatureAlgorithm, signatureAlgorithmOf } from './signer.ts'

/** What differs from one certificate of an issuer to the next. */
export interface CertificateFields {
  /** Unsigned, big-endian. */
  readonly serialNumber: Uint8Array
  readonly notBeforeSeconds: number
  readonly notAfterSeconds: number
  /** Name, DER. */
  readonly subject: Uint8Array
  readonly publicKey: Pick<PublicKey, 'spki' | 'bits'>
  /** The one URI SAN: a SPIFFE ID. */
  readonly uri: string
  readonly dnsNames: readonly string[]
  /** Extensions beside the usual ones, or in the place of those with the same OID. @default none */
  readonly extraExtensions?: readonly X509Extension[]
}

/** Who signs: its name as it stands in its own certificate, its key identifier, its key. */
export interface Issuer {
  /** Name, DER. */
  readonly name: Uint8Array
  /** Undefined for a certificate that signs itself: it carries no authority key identifier. */
  readonly keyId: Uint8Array | undefined
  readonly signer: CertificateSigner
}

export type CertificateProfile = 'leaf' | 'ca'

const version3 = derElement(0xa0, Buffer.of(derTag.integer, 1, 2))
const extensionsTag = 0xa3
const emptyNameLength = 2

const constantExtensions: Readonly<Record<CertificateProfile, Uint8Array>> = {
  leaf: Buffer.concat([keyUsageOfLeaf, serverAndClientAuth, basicConstraintsOfLeaf]),
  ca: Buffer.concat([keyUsageOfCa, basicConstraintsOfCa]),
}

/**
 * Writes certificates of one issuer [RFC 5280 4.1], with the fields and extensions, and the order of them, that SPIRE's have.
 *
 * This is the hot path of issuing: whatever is the same in all of an issuer's certificates is encoded once, here, and a
 * certificate costs one signature and a few microseconds. Nothing is checked: the caller decides what a certificate says.
 */
export class CertificateWriter {
  readonly #signer: CertificateSigner
  readonly #algorithm: SignatureAlgorithm
  readonly #beforeValidity: Buffer
  readonly #beforeKeyId: Uint8Array
  readonly #afterKeyId: Buffer

  constructor(issuer: Issuer, profile: CertificateProfile) {
    this.#signer = issuer.signer
    this.#algorithm = signatureAlgorithmOf(issuer.signer)
    this.#beforeValidity = Buffer.concat([this.#algorithm.identifier, issuer.name])
    this.#beforeKeyId = constantExtensions[profile]
    this.#afterKeyId = issuer.keyId ? authorityKeyIdentifier(issuer.keyId) : Buffer.of()
  }

  /**
   * Makes a certificate, DER. The result is there at once when the key signs synchronously, so that a batch costs no
   * promise per certificate.
   */
  write(fields: CertificateFields): Buffer | Promise<Buffer> {
    const tbs = this.#encode(fields)
    const { hash } = this.#algorithm
    const now = this.#signer.signSync?.(tbs, { hash })
    if (now) return this.#assemble(tbs, now)
    return this.#signer.sign(tbs, { hash }).then((signature) => this.#assemble(tbs, signature))
  }

  #encode(fields: CertificateFields): Buffer {
    const { subject, publicKey, extraExtensions } = fields
    const usual = this.#usualExtensions(fields)
    const extensions = extraExtensions?.length
      ? [withExtensions(Buffer.concat(usual), extraExtensions)]
      : usual
    return derSequence(
      version3,
      derUnsigned(fields.serialNumber),
      this.#beforeValidity,
      derSequence(derTime(fields.notBeforeSeconds), derTime(fields.notAfterSeconds)),
      subject,
      publicKey.spki,
      derElement(extensionsTag, derSequence(...extensions)),
    )
  }

  #usualExtensions({
    subject,
    publicKey,
    uri,
    dnsNames,
  }: CertificateFields): readonly Uint8Array[] {
    const isSubjectEmpty = subject.length === emptyNameLength
    return [
      this.#beforeKeyId,
      subjectKeyIdentifier(keyIdentifier(publicKey)),
      this.#afterKeyId,
      subjectAltNames({ dnsNames, uris: [uri] }, isSubjectEmpty),
    ]
  }

  #assemble(tbs: Buffer, signature: Uint8Array): Buffer {
    return derSequence(tbs, this.#algorithm.identifier, derBitString(signature))
  }
}
