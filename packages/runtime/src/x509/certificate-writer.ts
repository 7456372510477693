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
import { DerScratch } from './der-scratch.ts'
import {
  authorityKeyIdentifier,
  basicConstraintsOfCa,
  basicConstraintsOfLeaf,
  beforeSubjectKeyId,
  keyUsageOfCa,
  keyUsageOfLeaf,
  serverAndClientAuth,
  withExtensions,
  writeSubjectAltNames,
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
  readonly #scratch = new DerScratch()
  #validity: { notBeforeSeconds: number; notAfterSeconds: number; der: Buffer } | undefined

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
    const kept = Buffer.from(tbs)
    return this.#signer.sign(kept, { hash }).then((signature) => this.#assemble(kept, signature))
  }

  /** The part that is signed: good until the next certificate is written. From its end to its beginning. */
  #encode(fields: CertificateFields): Buffer {
    const out = this.#scratch
    out.rewind(0)
    this.#writeExtensions(fields)
    out.raw(fields.publicKey.spki)
    out.raw(fields.subject)
    out.raw(this.#validityOf(fields))
    out.raw(this.#beforeValidity)
    out.raw(derUnsigned(fields.serialNumber))
    out.raw(version3)
    out.wrap(derTag.sequence, 0)
    return out.since(0)
  }

  #writeExtensions({
    subject,
    publicKey,
    uri,
    dnsNames,
    extraExtensions = [],
  }: CertificateFields): void {
    const out = this.#scratch
    writeSubjectAltNames(out, { dnsNames, uris: [uri] }, subject.length === emptyNameLength)
    out.raw(this.#afterKeyId)
    out.raw(keyIdentifier(publicKey))
    out.raw(beforeSubjectKeyId)
    out.raw(this.#beforeKeyId)
    if (extraExtensions.length > 0) {
      const extensions = withExtensions(Buffer.from(out.since(0)), extraExtensions)
      out.rewind(0)
      out.raw(extensions)
    }
    out.wrap(derTag.sequence, 0)
    out.wrap(extensionsTag, 0)
  }

  /** The same for all certificates of a batch. */
  #validityOf({ notBeforeSeconds, notAfterSeconds }: CertificateFields): Buffer {
    const last = this.#validity
    if (last?.notBeforeSeconds === notBeforeSeconds && last.notAfterSeconds === notAfterSeconds) {
      return last.der
    }
    const der = derSequence(derTime(notBeforeSeconds), derTime(notAfterSeconds))
    this.#validity = { notBeforeSeconds, notAfterSeconds, der }
    return der
  }

  #assemble(tbs: Buffer, signature: Uint8Array): Buffer {
    return derSequence(tbs, this.#algorithm.identifier, derBitString(signature))
  }
}
