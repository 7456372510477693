import type { TrustDomain } from '@mini-spire/sdk/spiffe-id'
import { type Certificate, parseCertificate } from '@mini-spire/sdk/x509'
import { CaError } from './ca-error.ts'
import { checkNotExpired, instantText } from './validity.ts'

/**
 * Checks a CA certificate before anything is signed with it: it must be a CA that may sign certificates, may name nothing but the trust domain, and be
 * valid now.
 *
 * @throws {CaError} `ERR_CERTIFICATE_INVALID`
 */
export function checkCaCertificate(
  der: Uint8Array,
  expected: { readonly trustDomain: TrustDomain; readonly nowMs: number },
): void {
  const certificate = parseCertificate(der)
  if (!certificate.isCa) throw invalid('cA constraint is not set')
  checkKeyUsage(certificate)
  const id = expected.trustDomain.idString
  if (certificate.uriSans.some((uri) => uri !== id) || certificate.uriSans.length > 1)
    throw invalid(`expected URI SAN "${id}" but got ${JSON.stringify(certificate.uriSans)}`)
  const notBeforeSeconds = certificate.notBefore.getTime() / 1000
  if (expected.nowMs < notBeforeSeconds * 1000)
    throw invalid(`not yet valid until ${instantText(notBeforeSeconds)}`)
  checkNotExpired(certificate.notAfter.getTime() / 1000, expected.nowMs, 'X509 CA')
}

function checkKeyUsage({ keyUsage }: Certificate): void {
  if (!keyUsage?.keyCertSign) throw invalid('keyCertSign key usage must be set')
  const { contentCommitment, keyEncipherment, dataEncipherment, keyAgreement } = keyUsage
  if (contentCommitment || keyEncipherment || dataEncipherment || keyAgreement)
    throw invalid('only keyCertSign, cRLSign, or digitalSignature key usage can be set')
}

function invalid(why: string): CaError {
  return new CaError('ERR_CERTIFICATE_INVALID', `invalid X509 CA: ${why}`)
}
