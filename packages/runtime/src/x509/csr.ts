import type { KeyObject } from 'node:crypto'
import {
  DerCursor,
  type DerSpan,
  derBitString,
  derElement,
  derOid,
  derSequence,
  derTag,
  type PublicKey,
  parsePublicKey,
  readOid,
} from '@mini-spire/sdk/x509'
import { CertificateError } from './certificate-error.ts'
import { DerScratch } from './der-scratch.ts'
import { withExtensions, writeSubjectAltNames, type X509Extension } from './extensions.ts'
import { type DistinguishedName, encodeName, parseName } from './name.ts'
import { checkSignature } from './signature-check.ts'
import { type CertificateSigner, signatureAlgorithmOf, signerFromKeyObject } from './signer.ts'
import { parseSubjectAltName, type SubjectAltName } from './subject-alt-name.ts'

/** Longest signing request that is looked at. The longest honest one is a tenth of that. */
export const maxCsrBytes: number = 256 * 1024

const attributesTag = 0xa0
const extensionRequest = derOid('1.2.840.113549.1.9.14')
const subjectAltName = '2.5.29.17'

/**
 * A certificate signing request [RFC 2986] that was taken apart. It says which key its sender holds, once
 * {@link Csr.verifySignature} has returned; all else in it is a wish, read only when asked for.
 */
export class Csr {
  readonly publicKey: PublicKey
  readonly #cursor: DerCursor
  readonly #subject: DerSpan
  readonly #attributes: DerSpan | undefined
  readonly #signed: DerSpan
  readonly #algorithm: DerSpan
  readonly #signature: DerSpan

  /** @throws {CertificateError} as {@link parseCsr} */
  constructor(der: Uint8Array) {
    if (der.length > maxCsrBytes)
      throw malformed(`x509: request of ${der.length} bytes, at most ${maxCsrBytes} are read`)
    const outer = DerCursor.over(der)
    const request = outer.enter(derTag.sequence)
    outer.finish()
    this.#cursor = request
    this.#signed = request.take(derTag.sequence)
    this.#algorithm = request.take(derTag.sequence)
    this.#signature = request.take(derTag.bitString)
    request.finish()
    const info = request.inside(this.#signed)
    info.take(derTag.integer)
    this.#subject = info.take(derTag.sequence)
    this.publicKey = parsePublicKey(info.raw(info.take(derTag.sequence)))
    this.#attributes = info.isAtEnd ? undefined : info.take(attributesTag)
    info.finish()
  }

  /** SubjectPublicKeyInfo, DER. */
  get spki(): Uint8Array {
    return this.publicKey.spki
  }

  /** Name, DER, as it came. */
  get subjectRaw(): Uint8Array {
    return this.#cursor.raw(this.#subject)
  }

  /**
   * Checks the proof of possession: that the key in the request signed the request.
   *
   * @throws {CertificateError} `ERR_CSR_SIGNATURE`, `ERR_PUBLIC_KEY_MALFORMED`
   */
  async verifySignature(): Promise<void> {
    const cursor = this.#cursor
    const algorithm = cursor.inside(this.#algorithm)
    const oid = algorithm.raw(algorithm.take(derTag.objectIdentifier))
    const parameters = algorithm.isAtEnd ? Buffer.of() : algorithm.raw(algorithm.takeAny())
    algorithm.finish()
    const bits = cursor.content(this.#signature)
    if (bits[0] !== 0) throw malformed('x509: signature is not whole octets')
    const signed = cursor.raw(this.#signed)
    await checkSignature(this.publicKey, {
      signed,
      algorithm: oid,
      parameters,
      signature: bits.subarray(1),
    })
  }

  /**
   * The subject that is asked for.
   *
   * @throws {CertificateError} `ERR_DER_MALFORMED`
   */
  parseSubject(): { readonly name: DistinguishedName; readonly isEmpty: boolean } {
    return parseName(this.subjectRaw)
  }

  /**
   * The names that are asked for in a subject alternative name extension: URIs and DNS names, in their order.
   *
   * @throws {CertificateError} `ERR_DER_MALFORMED`, `ERR_CSR_MALFORMED` for an extension that is asked for twice
   */
  parseSubjectAltName(): SubjectAltName {
    const found = this.parseExtensions().find(({ oid }) => oid === subjectAltName)
    return found ? parseSubjectAltName(found.value) : { uris: [], dnsNames: [] }
  }

  /**
   * The extensions that are asked for, in their order.
   *
   * @throws {CertificateError} `ERR_DER_MALFORMED`, `ERR_CSR_MALFORMED` for one that is asked for twice
   */
  parseExtensions(): readonly X509Extension[] {
    const found: X509Extension[] = []
    if (!this.#attributes) return found
    const attributes = this.#cursor.inside(this.#attributes)
    while (!attributes.isAtEnd) {
      const attribute = attributes.enter(derTag.sequence)
      const oid = attribute.raw(attribute.take(derTag.objectIdentifier))
      const values = attribute.enter(derTag.set)
      attribute.finish()
      if (oid.equals(extensionRequest)) readExtensions(values.enter(derTag.sequence), found)
    }
    return found
  }
}

function readExtensions(list: DerCursor, found: X509Extension[]): void {
  while (!list.isAtEnd) {
    const extension = list.enter(derTag.sequence)
    const oid = readOid(extension)
    const critical =
      extension.peekTag() === derTag.boolean &&
      extension.content(extension.take(derTag.boolean))[0] !== 0
    const value = extension.content(extension.take(derTag.octetString))
    extension.finish()
    if (found.some((one) => one.oid === oid))
      throw malformed('x509: certificate request contains duplicate requested extensions')
    found.push({ oid, value, critical })
  }
}

/**
 * Takes a certificate signing request apart (PKCS#10, DER) and checks its public key's kind and size. The signature is not
 * checked here: {@link Csr.verifySignature} does.
 *
 * @throws {CertificateError} `ERR_DER_MALFORMED`, `ERR_CSR_MALFORMED`, `ERR_PUBLIC_KEY_REFUSED`, `ERR_PUBLIC_KEY_MALFORMED`
 * @example
 * const csr = parseCsr(request.csr)
 * await csr.verifySignature()
 * sign(csr.publicKey)
 */
export function parseCsr(der: Uint8Array): Csr {
  return new Csr(der)
}

/** What {@link buildCsr} is given. */
export interface CsrOptions {
  /** The key the certificate is wanted for: a key manager's, or one that is in memory. */
  readonly key: CertificateSigner | KeyObject
  /** @default no attributes */
  readonly subject?: DistinguishedName
  /** A SPIFFE ID to ask for; most signers ignore it. */
  readonly uriSan?: string
  readonly dnsNames?: readonly string[]
  /** Other extensions to ask for; one of these with the OID of the names takes their place. */
  readonly extraExtensions?: readonly X509Extension[]
}

/** Makes a certificate signing request (PKCS#10, DER), signed by the key it is for. */
export async function buildCsr(options: CsrOptions): Promise<Uint8Array> {
  const signer = 'sign' in options.key ? options.key : signerFromKeyObject(options.key)
  const { hash, identifier } = signatureAlgorithmOf(signer)
  const info = derSequence(
    Buffer.of(derTag.integer, 1, 0),
    encodeName(options.subject ?? {}),
    signer.publicKey,
    derElement(attributesTag, ...requestedExtensions(options)),
  )
  const signature = signer.signSync?.(info, { hash }) ?? (await signer.sign(info, { hash }))
  return derSequence(info, identifier, derBitString(signature))
}

function requestedExtensions(options: CsrOptions): Buffer[] {
  const { uriSan, dnsNames = [], subject = {}, extraExtensions = [] } = options
  const hasNames = uriSan !== undefined || dnsNames.length > 0
  if (!hasNames && extraExtensions.length === 0) return []
  const names = { dnsNames, uris: uriSan === undefined ? [] : [uriSan] }
  const usual = new DerScratch()
  if (hasNames) writeSubjectAltNames(usual, names, Object.keys(subject).length === 0)
  const extensions = derSequence(withExtensions(usual.since(0), extraExtensions))
  return [derSequence(extensionRequest, derElement(derTag.set, extensions))]
}

function malformed(message: string): CertificateError {
  return new CertificateError('ERR_CSR_MALFORMED', message)
}
