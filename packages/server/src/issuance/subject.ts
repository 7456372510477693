import { type DistinguishedName, encodeName } from '@mini-spire/runtime/x509/name'

/** The subject of every X509-SVID for which nothing else was asked. */
export const defaultSubject: DistinguishedName = { country: ['US'], organization: ['SPIRE'] }

/** {@link defaultSubject}, DER. */
export const defaultSubjectDer: Uint8Array = encodeName(defaultSubject)

/** A subject, DER, with the first DNS name as its common name. */
export function subjectWith(subject: DistinguishedName, dnsNames: readonly string[]): Uint8Array {
  const [commonName] = dnsNames
  if (commonName !== undefined) return encodeName({ ...subject, commonName })
  return subject === defaultSubject ? defaultSubjectDer : encodeName(subject)
}
