import { createHash } from 'node:crypto'
import { type DistinguishedName, parseName } from '@mini-spire/runtime/x509/name'
import type { TrustDomain } from '@mini-spire/sdk/spiffe-id'
import type { Certificate } from '@mini-spire/sdk/x509'
import { TemplateStruct } from '../agent-path-template/template-value.ts'

/** Lower-case hex SHA-1 of a certificate's DER: how x509pop has always named certificates. */
export function fingerprintOf(certificate: Pick<Certificate, 'raw'>): string {
  return createHash('sha1').update(certificate.raw).digest('hex')
}

/** A serial number in lower-case hex, of an even number of digits. */
export function serialNumberHex(certificate: Certificate): string {
  const hex = BigInt(certificate.serialNumber).toString(16)
  return hex.length % 2 === 1 ? `0${hex}` : hex
}

/** Values of the URI SANs `x509pop://<trust domain>/<key>/<value>` by key; the last of a key counts. */
export function uriSanSelectors(
  leaf: Certificate,
  trustDomain: TrustDomain,
): ReadonlyMap<string, string> {
  const prefix = `x509pop://${trustDomain.name}/`
  const found = new Map<string, string>()
  for (const one of leaf.uriSans) {
    // A scheme is the same in capitals.
    const uri = one.replace(/^x509pop:/i, 'x509pop:')
    if (!uri.startsWith(prefix)) continue
    const path = decodePath(uri.slice(prefix.length).replace(/[?#].*$/s, ''))
    const match = path && /^([^/]*)\/(.+)$/s.exec(path.replaceAll(/^\/+|\/+$/g, ''))
    if (match?.[1] !== undefined && match[2] !== undefined) found.set(match[1], match[2])
  }
  return found
}

function decodePath(path: string): string | undefined {
  try {
    return decodeURIComponent(path)
  } catch {
    return undefined
  }
}

/** What an agent path template may name. */
export interface AgentData {
  readonly leaf: Certificate
  readonly fingerprint: string
  readonly trustDomain: TrustDomain
  readonly svidPathTrimmed: string
  readonly sanSelectors: ReadonlyMap<string, string>
}

/** The data of an agent path template, under Go's names. */
export function templateDataOf(data: AgentData): TemplateStruct {
  const { leaf, fingerprint, trustDomain, svidPathTrimmed, sanSelectors } = data
  const certificate = new TemplateStruct('x509.Certificate', {
    SerialNumber: leaf.serialNumber,
    Subject: nameStruct(subjectOf(leaf)),
    Issuer: nameStruct(parseName(leaf.issuerRaw).name),
    IsCA: leaf.isCa,
    DNSNames: leaf.dnsNames,
    EmailAddresses: leaf.names.emailAddresses,
    IPAddresses: leaf.ipAddresses,
    URIs: leaf.uriSans,
  })
  return TemplateStruct.embedding('x509pop.agentPathTemplateData', ['Certificate', certificate], {
    TrustDomain: trustDomain.name,
    PluginName: 'x509pop',
    SerialNumberHex: serialNumberHex(leaf),
    Fingerprint: fingerprint,
    SVIDPathTrimmed: svidPathTrimmed,
    URISanSelectors: sanSelectors,
  })
}

/** The subject of a certificate. */
export function subjectOf(leaf: Certificate): DistinguishedName {
  return parseName(leaf.subjectRaw).name
}

function nameStruct(name: DistinguishedName): TemplateStruct {
  return new TemplateStruct('pkix.Name', {
    Country: name.country ?? [],
    Organization: name.organization ?? [],
    OrganizationalUnit: name.organizationalUnit ?? [],
    Locality: name.locality ?? [],
    Province: name.province ?? [],
    StreetAddress: name.streetAddress ?? [],
    PostalCode: name.postalCode ?? [],
    SerialNumber: name.serialNumber ?? '',
    CommonName: name.commonName ?? '',
  })
}
