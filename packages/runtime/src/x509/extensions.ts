import { DerCursor, derElement, derOid, derSequence, derTag, readOid } from '@mini-spire/sdk/x509'
import type { DerScratch } from './der-scratch.ts'
import { type SubjectAltName, writeSubjectAltName } from './subject-alt-name.ts'

/** An extension of a certificate, as it is written. */
export interface X509Extension {
  /** Dotted, such as `1.3.6.1.4.1.311.2`. */
  readonly oid: string
  /** The value, DER. */
  readonly value: Uint8Array
  readonly critical: boolean
}

/** Length of a key identifier: a SHA-1. */
const keyIdBytes = 20

const critical = Buffer.of(derTag.boolean, 1, 0xff)

/** Encoded once: those that are not constant are written into every certificate. */
const oids = {
  subjectKeyIdentifier: derOid('2.5.29.14'),
  keyUsage: derOid('2.5.29.15'),
  subjectAltName: derOid('2.5.29.17'),
  basicConstraints: derOid('2.5.29.19'),
  authorityKeyIdentifier: derOid('2.5.29.35'),
  extendedKeyUsage: derOid('2.5.29.37'),
}

function extension(oid: Uint8Array, isCritical: boolean, value: Uint8Array): Buffer {
  const octets = derElement(derTag.octetString, value)
  return isCritical ? derSequence(oid, critical, octets) : derSequence(oid, octets)
}

/** Key usage of a CA: keyCertSign and cRLSign, critical. */
export const keyUsageOfCa: Uint8Array = extension(oids.keyUsage, true, Buffer.of(3, 2, 1, 0x06))

/** Key usage of a leaf: digitalSignature, keyEncipherment and keyAgreement, critical; the same for EC keys, as SPIRE has it. */
export const keyUsageOfLeaf: Uint8Array = extension(oids.keyUsage, true, Buffer.of(3, 2, 3, 0xa8))

/** Extended key usage serverAuth and clientAuth. */
export const serverAndClientAuth: Uint8Array = extension(
  oids.extendedKeyUsage,
  false,
  derSequence(derOid('1.3.6.1.5.5.7.3.1'), derOid('1.3.6.1.5.5.7.3.2')),
)

/** Basic constraints CA:TRUE without a path length, critical. */
export const basicConstraintsOfCa: Uint8Array = extension(
  oids.basicConstraints,
  true,
  derSequence(critical),
)

/** Basic constraints CA:FALSE, critical. */
export const basicConstraintsOfLeaf: Uint8Array = extension(
  oids.basicConstraints,
  true,
  derSequence(),
)

/** What stands before the subject key identifier of twenty octets, which ends its extension. */
export const beforeSubjectKeyId: Uint8Array = extension(
  oids.subjectKeyIdentifier,
  false,
  derElement(derTag.octetString, Buffer.alloc(keyIdBytes)),
).subarray(0, -keyIdBytes)

/** Authority key identifier: the key identifier alone. */
export function authorityKeyIdentifier(keyId: Uint8Array): Buffer {
  return extension(oids.authorityKeyIdentifier, false, derSequence(derElement(0x80, keyId)))
}

/** Subject alternative names; critical exactly when the subject is empty [RFC 5280 4.2.1.6]. */
export function writeSubjectAltNames(
  out: DerScratch,
  names: SubjectAltName,
  isSubjectEmpty: boolean,
): void {
  const end = out.length
  writeSubjectAltName(out, names)
  out.wrap(derTag.octetString, end)
  if (isSubjectEmpty) out.raw(critical)
  out.raw(oids.subjectAltName)
  out.wrap(derTag.sequence, end)
}

/** Certificate policies by their dotted OIDs, without qualifiers. */
export function certificatePolicies(policies: readonly string[]): X509Extension {
  const value = derSequence(...policies.map((oid) => derSequence(derOid(oid))))
  return { oid: '2.5.29.32', value, critical: false }
}

/** Extensions one after the other, as a certificate or a request lists them. */
export function encodeExtensions(extensions: readonly X509Extension[]): Buffer {
  return Buffer.concat(
    extensions.map(({ oid, value, critical: isCritical }) =>
      extension(derOid(oid), isCritical, value),
    ),
  )
}

/** Puts extensions after the usual ones (DER, one after the other); one with the same OID takes the place of a usual one. */
export function withExtensions(usual: Buffer, extra: readonly X509Extension[]): Buffer {
  const cursor = DerCursor.over(usual)
  const kept: Buffer[] = []
  while (!cursor.isAtEnd) {
    const span = cursor.take(derTag.sequence)
    const oid = readOid(cursor.inside(span))
    if (!extra.some((one) => one.oid === oid)) kept.push(cursor.raw(span))
  }
  return Buffer.concat([...kept, encodeExtensions(extra)])
}
