import { DerCursor, type DerSpan } from './der-reader.ts'
import { derTag } from './der-writer.ts'
import { X509Error } from './x509-error.ts'

/** What a certificate's key may be used for [RFC 5280 4.2.1.3]. */
export interface KeyUsage {
  readonly digitalSignature: boolean
  readonly contentCommitment: boolean
  readonly keyEncipherment: boolean
  readonly dataEncipherment: boolean
  readonly keyAgreement: boolean
  readonly keyCertSign: boolean
  readonly cRLSign: boolean
}

/** Names of the certificate's holder beside the subject. */
export interface SubjectAltNames {
  readonly uris: readonly string[]
  readonly dnsNames: readonly string[]
  readonly ipAddresses: readonly Uint8Array[]
  readonly emailAddresses: readonly string[]
}

/** What a certificate without the extension has. */
export const noNames: SubjectAltNames = {
  uris: [],
  dnsNames: [],
  ipAddresses: [],
  emailAddresses: [],
}

/** Reads the value of a key usage extension. */
export function parseKeyUsage(value: Buffer): KeyUsage {
  const bits = only(value, derTag.bitString)
  const [unused = 8, first = 0] = bits
  if (unused > 7 || (bits.length === 1 && unused !== 0)) throw malformed('key usage')
  const has = (bit: number): boolean => (first & (0x80 >> bit)) !== 0
  return {
    digitalSignature: has(0),
    contentCommitment: has(1),
    keyEncipherment: has(2),
    dataEncipherment: has(3),
    keyAgreement: has(4),
    keyCertSign: has(5),
    cRLSign: has(6),
  }
}

/** Reads the value of a basic constraints extension; `pathLength` is undefined when the path has no limit. */
export function parseBasicConstraints(value: Buffer): {
  readonly isCa: boolean
  readonly pathLength: number | undefined
} {
  const fields = inside(value, derTag.sequence)
  let isCa = false
  if (fields.peekTag() === derTag.boolean) isCa = readTrue(fields)
  let pathLength: number | undefined
  if (fields.peekTag() === derTag.integer) {
    const content = fields.content(fields.take(derTag.integer))
    const [first = 0x80] = content
    if (first >= 0x80 || content.length > 2) throw malformed('basic constraints')
    pathLength = content.readUIntBE(0, content.length)
  }
  fields.finish()
  return { isCa, pathLength }
}

/** Reads a BOOLEAN that DER only writes when it is TRUE. */
export function readTrue(cursor: DerCursor): true {
  const content = cursor.content(cursor.take(derTag.boolean))
  if (content.length !== 1 || content[0] !== 0xff) throw malformed('BOOLEAN')
  return true
}

/** Reads the value of an extended key usage extension: dotted OIDs. */
export function parseExtKeyUsage(value: Buffer): readonly string[] {
  const fields = inside(value, derTag.sequence)
  const found: string[] = []
  while (!fields.isAtEnd) found.push(readOid(fields))
  return found
}

/** Reads the value of a subject key identifier extension. */
export function parseSubjectKeyId(value: Buffer): Buffer {
  return only(value, derTag.octetString)
}

/** Reads the key identifier of an authority key identifier extension; undefined when it names the issuer otherwise. */
export function parseAuthorityKeyId(value: Buffer): Buffer | undefined {
  const fields = inside(value, derTag.sequence)
  return fields.peekTag() === 0x80 ? fields.content(fields.take(0x80)) : undefined
}

/**
 * Reads the value of a subject alternative name extension. Kinds that nobody here asks for are skipped; how many there
 * can be is bounded by the length of a certificate.
 */
export function parseSubjectAltNames(value: Buffer): SubjectAltNames {
  const fields = inside(value, derTag.sequence)
  const uris: string[] = []
  const dnsNames: string[] = []
  const ipAddresses: Uint8Array[] = []
  const emailAddresses: string[] = []
  while (!fields.isAtEnd) {
    const span = fields.takeAny()
    if (span.tag === 0x86) uris.push(ia5(fields, span))
    else if (span.tag === 0x82) dnsNames.push(ia5(fields, span))
    else if (span.tag === 0x81) emailAddresses.push(ia5(fields, span))
    else if (span.tag === 0x87) ipAddresses.push(address(fields, span))
  }
  return { uris, dnsNames, ipAddresses, emailAddresses }
}

function address(fields: DerCursor, span: DerSpan): Buffer {
  const bytes = fields.content(span)
  if (bytes.length !== 4 && bytes.length !== 16) throw malformed('IP address')
  return bytes
}

/** IA5 text without NUL: an octet above 127, or a NUL, would read as another name elsewhere. */
export function ia5(cursor: DerCursor, span: DerSpan): string {
  const content = cursor.content(span)
  for (const byte of content) if (byte > 0x7f || byte === 0) throw malformed('IA5 text')
  return content.toString('latin1')
}

/** Takes an OBJECT IDENTIFIER, dotted. */
export function readOid(cursor: DerCursor): string {
  const content = cursor.content(cursor.take(derTag.objectIdentifier))
  if (content.length === 0 || content.length > 64) throw malformed('OBJECT IDENTIFIER')
  const arcs: number[] = []
  let value = 0
  let isFirstOctet = true
  for (const byte of content) {
    if (isFirstOctet && byte === 0x80) throw malformed('OBJECT IDENTIFIER')
    value = value * 128 + (byte & 0x7f)
    if (value > Number.MAX_SAFE_INTEGER) throw malformed('OBJECT IDENTIFIER')
    isFirstOctet = byte < 0x80
    if (!isFirstOctet) continue
    arcs.push(value)
    value = 0
  }
  if (!isFirstOctet) throw malformed('OBJECT IDENTIFIER')
  const [joined = 0, ...rest] = arcs
  const top = Math.min(Math.floor(joined / 40), 2)
  return [top, joined - top * 40, ...rest].join('.')
}

function inside(value: Buffer, tag: number): DerCursor {
  const outer = DerCursor.over(value)
  const content = outer.enter(tag)
  outer.finish()
  return content
}

function only(value: Buffer, tag: number): Buffer {
  const outer = DerCursor.over(value)
  const content = outer.content(outer.take(tag))
  outer.finish()
  return content
}

function malformed(what: string): X509Error {
  return new X509Error('ERR_CERTIFICATE_MALFORMED', `x509: malformed ${what}`)
}
