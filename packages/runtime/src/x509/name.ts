import { DerCursor, derElement, derOid, derSequence, derTag } from '@mini-spire/sdk/x509'
import { CertificateError } from './certificate-error.ts'

/** The attributes that certificates of SPIRE's making carry in a name. Everything else is dropped when a name is read. */
export interface DistinguishedName {
  readonly country?: readonly string[]
  readonly organization?: readonly string[]
  readonly organizationalUnit?: readonly string[]
  readonly locality?: readonly string[]
  readonly province?: readonly string[]
  readonly streetAddress?: readonly string[]
  readonly postalCode?: readonly string[]
  readonly commonName?: string
  readonly serialNumber?: string
  /** Other attributes, last in the name; they take the place of those above with the same OID. Not kept by {@link parseName}. */
  readonly extraNames?: readonly ExtraName[]
}

/** An attribute of a name that has no field of its own. */
export interface ExtraName {
  /** Dotted, such as `2.5.4.45`. */
  readonly oid: string
  readonly value: string
}

/** Attributes that have a field of their own. */
export type NamedAttribute = Exclude<keyof DistinguishedName, 'extraNames'>

/** In the order in which Go writes them, which is the order of every certificate that SPIRE issues. */
const attributes: readonly { readonly name: NamedAttribute; readonly oid: Buffer }[] = [
  { name: 'country', oid: derOid('2.5.4.6') },
  { name: 'organization', oid: derOid('2.5.4.10') },
  { name: 'organizationalUnit', oid: derOid('2.5.4.11') },
  { name: 'locality', oid: derOid('2.5.4.7') },
  { name: 'province', oid: derOid('2.5.4.8') },
  { name: 'streetAddress', oid: derOid('2.5.4.9') },
  { name: 'postalCode', oid: derOid('2.5.4.17') },
  { name: 'commonName', oid: derOid('2.5.4.3') },
  { name: 'serialNumber', oid: derOid('2.5.4.5') },
]

/** Encodes a name: one relative distinguished name per attribute type, PrintableString where the text allows it. */
export function encodeName(name: DistinguishedName): Buffer {
  const sets: Buffer[] = []
  const extra = (name.extraNames ?? []).map(({ oid, value }) => ({ oid: derOid(oid), value }))
  for (const attribute of attributes) {
    if (extra.some(({ oid }) => oid.equals(attribute.oid))) continue
    const value = name[attribute.name]
    const values = typeof value === 'string' ? [value] : (value ?? [])
    const kept = values.filter((text) => text !== '')
    if (kept.length === 0) continue
    const encoded = kept.map((text) => derSequence(attribute.oid, directoryString(text)))
    sets.push(derElement(derTag.set, ...encoded.sort(Buffer.compare)))
  }
  for (const { oid, value } of extra)
    sets.push(derElement(derTag.set, derSequence(oid, directoryString(value))))
  return derSequence(...sets)
}

/**
 * Reads a name, keeping the attributes of {@link DistinguishedName}: of a common name or serial number the last, of the
 * others all, in their order.
 *
 * @returns also whether the name had any attribute at all, kept or not
 * @throws {CertificateError} `ERR_DER_MALFORMED`
 */
export function parseName(raw: Uint8Array): {
  readonly name: DistinguishedName
  readonly isEmpty: boolean
} {
  const name: Partial<Record<NamedAttribute, string | string[]>> = {}
  let isEmpty = true
  const outer = DerCursor.over(raw)
  const sets = outer.enter(derTag.sequence)
  outer.finish()
  while (!sets.isAtEnd) {
    const set = sets.enter(derTag.set)
    while (!set.isAtEnd) {
      isEmpty = false
      keep(name, set.enter(derTag.sequence))
    }
  }
  return { name: name as DistinguishedName, isEmpty }
}

function keep(name: Partial<Record<NamedAttribute, string | string[]>>, pair: DerCursor): void {
  const oid = pair.raw(pair.take(derTag.objectIdentifier))
  const value = pair.takeAny()
  pair.finish()
  const attribute = attributes.find((known) => known.oid.equals(oid))?.name
  const text = decodeString(value.tag, pair.content(value))
  if (attribute === undefined || text === undefined) return
  if (attribute === 'commonName' || attribute === 'serialNumber') name[attribute] = text
  else name[attribute] = [...(name[attribute] ?? []), text]
}

const teletexString = 0x14
const numericString = 0x12
const bmpString = 0x1e
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** Text of an attribute value; undefined when it is not text. */
function decodeString(tag: number, content: Buffer): string | undefined {
  switch (tag) {
    case derTag.utf8String:
      return decodeUtf8(content)
    case derTag.printableString:
    case derTag.ia5String:
    case numericString:
      if (content.some((byte) => byte > 0x7f)) throw malformedText()
      return content.toString('latin1')
    case teletexString:
      return content.toString('latin1')
    case bmpString:
      if (content.length % 2 !== 0) throw malformedText()
      return Buffer.from(content).swap16().toString('utf16le')
    default:
      return undefined
  }
}

function decodeUtf8(content: Buffer): string {
  try {
    return utf8.decode(content)
  } catch {
    throw malformedText()
  }
}

function malformedText(): CertificateError {
  return new CertificateError('ERR_DER_MALFORMED', 'asn1: structure error: text in a name')
}

function directoryString(text: string): Buffer {
  const isPrintable = /^[A-Za-z0-9 '()+,\-./:=?]*$/.test(text)
  return isPrintable
    ? derElement(derTag.printableString, Buffer.from(text, 'latin1'))
    : derElement(derTag.utf8String, Buffer.from(text, 'utf8'))
}
