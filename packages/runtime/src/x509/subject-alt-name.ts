import { DerCursor, derTag } from '@mini-spire/sdk/x509'
import { CertificateError } from './certificate-error.ts'
import type { DerScratch } from './der-scratch.ts'

/** The names of a subject alternative name extension that SVIDs carry; other kinds are left out. */
export interface SubjectAltName {
  readonly uris: readonly string[]
  readonly dnsNames: readonly string[]
}

const dnsNameTag = 0x82
const uriTag = 0x86

/** Puts the extension's value before what was written: DNS names first, then URIs, the order SPIRE's certificates have. */
export function writeSubjectAltName(out: DerScratch, { dnsNames, uris }: SubjectAltName): void {
  const end = out.length
  for (let at = uris.length - 1; at >= 0; at--) writeName(out, uriTag, uris[at] ?? '')
  for (let at = dnsNames.length - 1; at >= 0; at--) writeName(out, dnsNameTag, dnsNames[at] ?? '')
  out.wrap(derTag.sequence, end)
}

function writeName(out: DerScratch, tag: number, name: string): void {
  const end = out.length
  out.text(name)
  out.wrap(tag, end)
}

/**
 * Reads the extension's value. Names must be IA5 text: an octet above 127 would read as another name elsewhere.
 *
 * @throws {CertificateError} `ERR_DER_MALFORMED`
 */
export function parseSubjectAltName(value: Uint8Array): SubjectAltName {
  const [uris, dnsNames]: [string[], string[]] = [[], []]
  const outer = DerCursor.over(value)
  const names = outer.enter(derTag.sequence)
  outer.finish()
  while (!names.isAtEnd) {
    const span = names.takeAny()
    if (span.tag === dnsNameTag) dnsNames.push(ia5(names.content(span), 'dNSName'))
    if (span.tag === uriTag) uris.push(ia5(names.content(span), 'uniformResourceIdentifier'))
  }
  return { uris, dnsNames }
}

function ia5(content: Buffer, what: string): string {
  if (content.some((byte) => byte > 0x7f))
    throw new CertificateError('ERR_DER_MALFORMED', `x509: SAN ${what} is malformed`)
  return content.toString('latin1')
}
