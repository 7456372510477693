import type {
  DistinguishedName as DistinguishedNameProto,
  X509CAAttributes,
  X509Extension as X509ExtensionProto,
  X509SVIDAttributes,
} from '@mini-spire/runtime/proto/spire/plugin/server/credentialcomposer/v1/credentialcomposer'
import type { X509Extension } from '@mini-spire/runtime/x509/extensions'
import type { DistinguishedName } from '@mini-spire/runtime/x509/name'
import type {
  X509CaAttributes,
  X509SvidAttributes,
} from '../credential-composer/credential-composer.ts'

/** What a composer in another process may change of a CA certificate. */
export function caAttributesToProto(attributes: X509CaAttributes): X509CAAttributes {
  return {
    subject: nameToProto(attributes.subject),
    policyIdentifiers: [...attributes.policyIdentifiers],
    extraExtensions: extensionsToProto(attributes.extraExtensions),
  }
}

/** What a composer in another process made of a CA certificate. */
export function caAttributesFromProto(attributes: X509CAAttributes): X509CaAttributes {
  return {
    subject: nameFromProto(attributes.subject),
    policyIdentifiers: attributes.policyIdentifiers,
    extraExtensions: extensionsFromProto(attributes.extraExtensions),
  }
}

/** What a composer in another process may change of an X509-SVID. */
export function svidAttributesToProto(attributes: X509SvidAttributes): X509SVIDAttributes {
  return {
    subject: nameToProto(attributes.subject),
    dnsSans: [...attributes.dnsNames],
    extraExtensions: extensionsToProto(attributes.extraExtensions),
  }
}

/** What a composer in another process made of an X509-SVID. */
export function svidAttributesFromProto(attributes: X509SVIDAttributes): X509SvidAttributes {
  return {
    subject: nameFromProto(attributes.subject),
    dnsNames: attributes.dnsSans,
    extraExtensions: extensionsFromProto(attributes.extraExtensions),
  }
}

function nameToProto(name: DistinguishedName): DistinguishedNameProto {
  return {
    country: [...(name.country ?? [])],
    organization: [...(name.organization ?? [])],
    organizationalUnit: [...(name.organizationalUnit ?? [])],
    locality: [...(name.locality ?? [])],
    province: [...(name.province ?? [])],
    streetAddress: [...(name.streetAddress ?? [])],
    postalCode: [...(name.postalCode ?? [])],
    serialNumber: name.serialNumber ?? '',
    commonName: name.commonName ?? '',
    extraNames: (name.extraNames ?? []).map(({ oid, value }) => ({ oid, stringValue: value })),
  }
}

function nameFromProto(name: DistinguishedNameProto | undefined): DistinguishedName {
  if (!name) return {}
  const { extraNames, ...attributes } = name
  const extra = extraNames.map(({ oid, stringValue }) => ({ oid, value: stringValue }))
  return { ...attributes, ...(extra.length > 0 && { extraNames: extra }) }
}

function extensionsToProto(extensions: readonly X509Extension[]): X509ExtensionProto[] {
  return extensions.map(({ oid, value, critical }) => ({
    oid,
    value: Buffer.from(value),
    critical,
  }))
}

function extensionsFromProto(extensions: readonly X509ExtensionProto[]): readonly X509Extension[] {
  return extensions.map(({ oid, value, critical }) => ({ oid, value, critical }))
}
