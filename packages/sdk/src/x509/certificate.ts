import type { KeyObject } from 'node:crypto'
import {
  type PolicyRules,
  parseInhibitAnyPolicy,
  parsePolicies,
  parsePolicyConstraints,
  parsePolicyMappings,
} from './certificate-policies.ts'
import { DerCursor } from './der-reader.ts'
import { derTag } from './der-writer.ts'
import {
  type KeyUsage,
  noNames,
  parseAuthorityKeyId,
  parseBasicConstraints,
  parseExtKeyUsage,
  parseKeyUsage,
  parseSubjectAltNames,
  parseSubjectKeyId,
  readOid,
  readTrue,
  type SubjectAltNames,
} from './extensions.ts'
import { type NameConstraints, parseNameConstraints } from './name-constraints.ts'
import { parsePublicKey } from './public-key.ts'
import type { SignedBytes } from './signature.ts'
import { parseValidityTime } from './validity-time.ts'
import { X509Error } from './x509-error.ts'

/** Longest certificate that is read. */
export const maxCertificateBytes: number = 64 * 1024
const maxExtensions = 64
const maxSerialBytes = 64

interface Fields {
  readonly raw: Uint8Array
  readonly tbs: Uint8Array
  readonly serialNumber: string
  readonly notBefore: Date
  readonly notAfter: Date
  readonly issuerRaw: Uint8Array
  readonly subjectRaw: Uint8Array
  readonly spki: Uint8Array
  readonly signature: SignedBytes
  readonly extensions: Extensions
}

interface Extensions {
  readonly isCa: boolean
  readonly pathLength: number | undefined
  readonly keyUsage: KeyUsage | undefined
  readonly extKeyUsage: readonly string[]
  readonly names: SubjectAltNames
  readonly subjectKeyId: Uint8Array | undefined
  readonly authorityKeyId: Uint8Array | undefined
  readonly nameConstraints: NameConstraints | undefined
  readonly policyRules: PolicyRules | undefined
  readonly unhandledCritical: readonly string[]
}

/**
 * A certificate as it was read. Nothing in it is trusted: see `verifyChain` and `verifyX509Svid`.
 *
 * Byte fields are views of {@link Certificate.raw}.
 */
export class Certificate {
  /** The whole certificate, DER. */
  readonly raw: Uint8Array
  /** The signed part, DER. */
  readonly tbs: Uint8Array
  /** Decimal. */
  readonly serialNumber: string
  readonly notBefore: Date
  readonly notAfter: Date
  /** Name, DER. */
  readonly issuerRaw: Uint8Array
  /** Name, DER. */
  readonly subjectRaw: Uint8Array
  /** SubjectPublicKeyInfo, DER. */
  readonly spki: Uint8Array
  readonly signature: SignedBytes
  readonly isCa: boolean
  /** How many intermediates may follow a CA; undefined: any number. */
  readonly pathLength: number | undefined
  /** Undefined when the certificate does not restrict its key. */
  readonly keyUsage: KeyUsage | undefined
  /** Dotted OIDs. */
  readonly extKeyUsage: readonly string[]
  readonly uriSans: readonly string[]
  readonly dnsNames: readonly string[]
  readonly names: SubjectAltNames
  readonly subjectKeyId: Uint8Array | undefined
  readonly authorityKeyId: Uint8Array | undefined
  readonly nameConstraints: NameConstraints | undefined
  /** Undefined when the certificate says nothing of policies. */
  readonly policyRules: PolicyRules | undefined
  /** Dotted OIDs of critical extensions that are not understood here: such a certificate is refused in every path. */
  readonly unhandledCritical: readonly string[]
  #publicKey: KeyObject | undefined

  constructor(fields: Fields) {
    const { extensions } = fields
    this.raw = fields.raw
    this.tbs = fields.tbs
    this.serialNumber = fields.serialNumber
    this.notBefore = fields.notBefore
    this.notAfter = fields.notAfter
    this.issuerRaw = fields.issuerRaw
    this.subjectRaw = fields.subjectRaw
    this.spki = fields.spki
    this.signature = fields.signature
    this.isCa = extensions.isCa
    this.pathLength = extensions.pathLength
    this.keyUsage = extensions.keyUsage
    this.extKeyUsage = extensions.extKeyUsage
    this.names = extensions.names
    this.uriSans = extensions.names.uris
    this.dnsNames = extensions.names.dnsNames
    this.subjectKeyId = extensions.subjectKeyId
    this.authorityKeyId = extensions.authorityKeyId
    this.nameConstraints = extensions.nameConstraints
    this.policyRules = extensions.policyRules
    this.unhandledCritical = extensions.unhandledCritical
  }

  /** IP addresses as text. */
  get ipAddresses(): readonly string[] {
    return this.names.ipAddresses.map(addressText)
  }

  /**
   * The public key, imported at first use.
   *
   * @throws {X509Error} `ERR_PUBLIC_KEY_REFUSED` for a kind or size that no SVID may have, `ERR_PUBLIC_KEY_MALFORMED`
   */
  get publicKey(): KeyObject {
    this.#publicKey ??= parsePublicKey(this.spki).toKeyObject()
    return this.#publicKey
  }

  /** Whether subject and issuer bear the same name. */
  get isSelfIssued(): boolean {
    return Buffer.compare(this.issuerRaw, this.subjectRaw) === 0
  }

  equals(other: Certificate): boolean {
    return Buffer.compare(this.raw, other.raw) === 0
  }
}

/**
 * Reads one certificate, strictly DER, with nothing after it [RFC 5280 4.1]. Bounded: the size first, then one pass.
 *
 * @throws {X509Error} `ERR_DER_MALFORMED`, `ERR_CERTIFICATE_MALFORMED`
 */
export function parseCertificate(der: Uint8Array): Certificate {
  const certificates = DerCursor.over(der)
  const certificate = readCertificate(certificates)
  certificates.finish()
  return certificate
}

/** Reads certificates that stand one after the other, as in the Workload API; none at all is an empty list. Throws as {@link parseCertificate}. */
export function parseCertificates(concatenated: Uint8Array): readonly Certificate[] {
  const certificates = DerCursor.over(concatenated)
  const found: Certificate[] = []
  while (!certificates.isAtEnd) found.push(readCertificate(certificates))
  return found
}

function readCertificate(outer: DerCursor): Certificate {
  const whole = outer.take(derTag.sequence)
  if (whole.end - whole.start > maxCertificateBytes) throw malformed('certificate: too long')
  const parts = outer.inside(whole)
  const tbsSpan = parts.take(derTag.sequence)
  const algorithm = parts.take(derTag.sequence)
  const signature = parts.content(parts.take(derTag.bitString))
  parts.finish()
  if (signature[0] !== 0) throw malformed('signature')
  const fields = parts.inside(tbsSpan)
  const version = readVersion(fields)
  const serialNumber = readSerial(fields)
  const innerAlgorithm = fields.raw(fields.take(derTag.sequence))
  if (!innerAlgorithm.equals(parts.raw(algorithm)))
    throw malformed('certificate: inner and outer signature algorithm identifiers do not match')
  const issuerRaw = fields.raw(fields.take(derTag.sequence))
  const validity = fields.enter(derTag.sequence)
  const [notBefore, notAfter] = [parseValidityTime(validity), parseValidityTime(validity)]
  validity.finish()
  const subjectRaw = fields.raw(fields.take(derTag.sequence))
  const spki = fields.raw(fields.take(derTag.sequence))
  if (fields.peekTag() === 0x81 || fields.peekTag() === 0xa1) fields.takeAny()
  if (fields.peekTag() === 0x82 || fields.peekTag() === 0xa2) fields.takeAny()
  const extensions = readExtensions(fields, version)
  fields.finish()
  const tbs = parts.raw(tbsSpan)
  return new Certificate({
    raw: outer.raw(whole),
    tbs,
    serialNumber,
    notBefore,
    notAfter,
    issuerRaw,
    subjectRaw,
    spki,
    signature: { signed: tbs, ...splitAlgorithm(innerAlgorithm), signature: signature.subarray(1) },
    extensions,
  })
}

function readVersion(fields: DerCursor): number {
  if (fields.peekTag() !== 0xa0) return 1
  const explicit = fields.enter(0xa0)
  const content = explicit.content(explicit.take(derTag.integer))
  explicit.finish()
  const [value = 0xff] = content
  if (content.length !== 1 || value < 1 || value > 2) throw malformed('version')
  return value + 1
}

function readSerial(fields: DerCursor): string {
  const content = fields.content(fields.take(derTag.integer))
  const [first, second = 0] = content
  if (first === undefined || content.length > maxSerialBytes) throw malformed('serial number')
  if (first >= 0x80) throw malformed('serial number: negative')
  if (first === 0 && content.length > 1 && second < 0x80) throw malformed('serial number')
  return BigInt(`0x${content.toString('hex')}`).toString()
}

function splitAlgorithm(identifier: Buffer): {
  readonly algorithm: Buffer
  readonly parameters: Buffer
} {
  const outer = DerCursor.over(identifier)
  const fields = outer.enter(derTag.sequence)
  const algorithm = fields.raw(fields.take(derTag.objectIdentifier))
  const parameters = fields.isAtEnd ? Buffer.alloc(0) : fields.raw(fields.takeAny())
  fields.finish()
  return { algorithm, parameters }
}

const understood: ReadonlySet<string> = new Set([
  '2.5.29.14',
  '2.5.29.15',
  '2.5.29.17',
  '2.5.29.19',
  '2.5.29.30',
  '2.5.29.32',
  '2.5.29.33',
  '2.5.29.35',
  '2.5.29.36',
  '2.5.29.37',
  '2.5.29.54',
])

function readExtensions(fields: DerCursor, version: number): Extensions {
  const values = new Map<string, Buffer>()
  const unhandledCritical: string[] = []
  if (!fields.isAtEnd) {
    if (version !== 3) throw malformed('certificate: extensions need version 3')
    const explicit = fields.enter(0xa3)
    const list = explicit.enter(derTag.sequence)
    explicit.finish()
    while (!list.isAtEnd) {
      const extension = list.enter(derTag.sequence)
      const oid = readOid(extension)
      const isCritical = extension.peekTag() === derTag.boolean && readTrue(extension)
      const value = extension.content(extension.take(derTag.octetString))
      extension.finish()
      if (values.has(oid)) throw malformed(`certificate: duplicate extension ${oid}`)
      if (values.size === maxExtensions) throw malformed('certificate: too many extensions')
      values.set(oid, value)
      if (isCritical && !understood.has(oid)) unhandledCritical.push(oid)
    }
  }
  const read = <T>(oid: string, parse: (value: Buffer) => T): T | undefined => {
    const value = values.get(oid)
    return value && parse(value)
  }
  const constraints = read('2.5.29.19', parseBasicConstraints)
  return {
    isCa: constraints?.isCa ?? false,
    pathLength: constraints?.pathLength,
    keyUsage: read('2.5.29.15', parseKeyUsage),
    extKeyUsage: read('2.5.29.37', parseExtKeyUsage) ?? [],
    names: read('2.5.29.17', parseSubjectAltNames) ?? noNames,
    subjectKeyId: read('2.5.29.14', parseSubjectKeyId),
    authorityKeyId: read('2.5.29.35', parseAuthorityKeyId),
    nameConstraints: read('2.5.29.30', parseNameConstraints),
    policyRules: readPolicyRules(read),
    unhandledCritical,
  }
}

type Read = <T>(oid: string, parse: (value: Buffer) => T) => T | undefined

function readPolicyRules(read: Read): PolicyRules | undefined {
  const policies = read('2.5.29.32', parsePolicies)
  const mappings = read('2.5.29.33', parsePolicyMappings)
  const constraints = read('2.5.29.36', parsePolicyConstraints)
  const inhibitAnyPolicy = read('2.5.29.54', parseInhibitAnyPolicy)
  const all = [policies, mappings, constraints, inhibitAnyPolicy]
  if (all.every((one) => one === undefined)) return undefined
  return { policies, mappings: mappings ?? [], constraints: constraints ?? {}, inhibitAnyPolicy }
}

function addressText(bytes: Uint8Array): string {
  if (bytes.length === 4) return bytes.join('.')
  const groups = Buffer.from(bytes).toString('hex').match(/..../g) ?? []
  return new URL(`http://[${groups.join(':')}]/`).hostname.slice(1, -1)
}

function malformed(what: string): X509Error {
  return new X509Error('ERR_CERTIFICATE_MALFORMED', `x509: malformed ${what}`)
}
