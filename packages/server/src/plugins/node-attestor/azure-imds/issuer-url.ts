import { type Certificate, DerCursor, derTag, readOid } from '@mini-spire/sdk/x509'

const authorityInformationAccess = '1.3.6.1.5.5.7.1.1'
const caIssuers = '1.3.6.1.5.5.7.48.2'
const uriTag = 0x86
const extensionsTag = 0xa3

/**
 * The first URL where a certificate says that its issuer's certificate is to be had [RFC 5280 4.2.2.1]; undefined when it
 * names none.
 *
 * @throws {X509Error} for an extension that cannot be read
 */
export function issuerUrlOf(certificate: Certificate): string | undefined {
  const value = findExtension(certificate.tbs, authorityInformationAccess)
  if (!value) return undefined
  const outer = DerCursor.over(value)
  const descriptions = outer.enter(derTag.sequence)
  outer.finish()
  while (!descriptions.isAtEnd) {
    const description = descriptions.enter(derTag.sequence)
    const method = readOid(description)
    const location = description.takeAny()
    const url = description.content(location).toString('latin1')
    if (method === caIssuers && location.tag === uriTag && url !== '') return url
  }
  return undefined
}

/** The value of an extension of a certificate that has been parsed, and so is whole. */
function findExtension(tbs: Uint8Array, wanted: string): Uint8Array | undefined {
  const outer = DerCursor.over(tbs)
  const fields = outer.enter(derTag.sequence)
  while (!fields.isAtEnd && fields.peekTag() !== extensionsTag) fields.takeAny()
  if (fields.isAtEnd) return undefined
  const extensions = fields.enter(extensionsTag).enter(derTag.sequence)
  while (!extensions.isAtEnd) {
    const extension = extensions.enter(derTag.sequence)
    const oid = readOid(extension)
    if (extension.peekTag() === derTag.boolean) extension.takeAny()
    if (oid === wanted) return extension.content(extension.take(derTag.octetString))
  }
  return undefined
}
