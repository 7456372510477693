import { messageOf } from '../errors.ts'
import { SpiffeId } from '../spiffe-id/index.ts'
import type { Certificate } from '../x509/index.ts'
import { X509SvidError } from './x509-svid-error.ts'

/**
 * The SPIFFE ID of a leaf: its one URI SAN [X509-SVID 2], with a path, in a certificate that may not sign others [X509-SVID 5.2].
 * Nothing is verified.
 *
 * @throws {X509SvidError} `ERR_X509_SVID_MALFORMED` naming the rule
 */
export function spiffeIdOfLeaf(leaf: Certificate): SpiffeId {
  const id = spiffeIdOf(leaf)
  if (id.path === '') throw malformed('leaf certificate SPIFFE ID has no path')
  if (leaf.isCa) throw malformed('leaf certificate with CA flag set to true')
  if (leaf.keyUsage?.keyCertSign) throw malformed('leaf certificate with KeyCertSign key usage')
  if (leaf.keyUsage?.cRLSign) throw malformed('leaf certificate with KeyCrlSign key usage')
  return id
}

/**
 * The SPIFFE ID of any certificate that has one, a signing certificate's included: its one URI SAN. Nothing is verified.
 *
 * @throws {X509SvidError} `ERR_X509_SVID_MALFORMED`
 */
export function spiffeIdOf(certificate: Certificate): SpiffeId {
  const [uri, second] = certificate.uriSans
  if (uri === undefined) throw malformed('certificate contains no URI SAN')
  if (second !== undefined) throw malformed('certificate contains more than one URI SAN')
  try {
    return SpiffeId.parse(uri)
  } catch (error) {
    throw new X509SvidError(
      'ERR_X509_SVID_MALFORMED',
      `cannot parse URI SAN: ${messageOf(error)}`,
      { cause: error },
    )
  }
}

/** Refuses what one who *presents* an SVID must not have, beyond what verifiers check [X509-SVID 4]. */
export function checkOwnChain(chain: readonly Certificate[]): void {
  const [leaf, ...intermediates] = chain
  if (!leaf?.keyUsage?.digitalSignature)
    throw malformed("leaf certificate must have 'digitalSignature' as key usage")
  for (const one of intermediates) {
    if (!one.isCa) throw malformed('signing certificate must have CA flag set to true')
    if (!one.keyUsage?.keyCertSign)
      throw malformed("signing certificate must have 'keyCertSign' set as key usage")
  }
}

function malformed(message: string): X509SvidError {
  return new X509SvidError('ERR_X509_SVID_MALFORMED', message)
}
