import type { Csr } from '@mini-spire/runtime/x509/csr'
import type { DistinguishedName } from '@mini-spire/runtime/x509/name'
import { messageOf } from '@mini-spire/sdk/errors'
import { SpiffeId, type TrustDomain } from '@mini-spire/sdk/spiffe-id'
import { checkDnsName, checkWildcardOverlap } from '../model/dns-name.ts'
import { checkWorkloadId } from '../registration/check-id.ts'
import { IssuanceError } from './issuance-error.ts'
import { mintCsrTexts, refusedCsr } from './proven-key.ts'

/** What an operator's signing request asks for, checked; the certificate is written anew from it. */
export interface MintedNames {
  readonly spiffeId: SpiffeId
  readonly dnsNames: readonly string[]
  /** Undefined: none is asked for. */
  readonly subject: DistinguishedName | undefined
}

/**
 * Reads the names that an operator's signing request asks for: exactly one URI, a workload's SPIFFE ID in the own trust
 * domain; DNS names without overlap; a subject, of which the standard attributes are kept.
 *
 * @throws {IssuanceError} `ERR_CSR_REFUSED`
 */
export function readMintedNames(csr: Csr, trustDomain: TrustDomain): MintedNames {
  const { uris, dnsNames, subject } = readNames(csr)
  const [uri, ...others] = uris
  if (uri === undefined) throw refused('CSR URI SAN is required')
  if (others.length > 0) throw refused('only one URI SAN is expected')
  const spiffeId = explained('CSR URI SAN is invalid', () => {
    const id = SpiffeId.parse(uri)
    checkWorkloadId(trustDomain, id)
    return id
  })
  explained('CSR DNS name is invalid', () => dnsNames.forEach(checkDnsName))
  explained('CSR DNS name contains a wildcard that covers another non-wildcard name', () =>
    checkWildcardOverlap(dnsNames),
  )
  return { spiffeId, dnsNames, subject }
}

function readNames(csr: Csr): {
  readonly uris: readonly string[]
  readonly dnsNames: readonly string[]
  readonly subject: DistinguishedName | undefined
} {
  try {
    const { name, isEmpty } = csr.parseSubject()
    return { ...csr.parseSubjectAltName(), subject: isEmpty ? undefined : name }
  } catch (error) {
    throw refusedCsr(error, mintCsrTexts)
  }
}

function explained<Result>(text: string, check: () => Result): Result {
  try {
    return check()
  } catch (error) {
    throw new IssuanceError('ERR_CSR_REFUSED', `${text}: ${messageOf(error)}`, { cause: error })
  }
}

function refused(message: string): IssuanceError {
  return new IssuanceError('ERR_CSR_REFUSED', message)
}
