import type { TrustDomain } from '@mini-spire/sdk/spiffe-id'
import { parseCertificate, verifyChain } from '@mini-spire/sdk/x509'
import { ServerApiError } from './server-api-error.ts'

/** What a server's chain is checked with. */
export interface ServerTrust {
  readonly trustDomain: TrustDomain
  /** Root certificates (DER) of the own trust domain; undefined: only the name is looked at (insecure bootstrap). */
  readonly roots: readonly Uint8Array[] | undefined
  readonly now: Date
}

/**
 * Checks that a chain is our server's: it leads to a root of our trust domain, and the leaf bears the server's ID and no other.
 *
 * @throws {X509Error} when no path leads to a root
 * @throws {ServerApiError} `ERR_SERVER_IDENTITY` for another name
 */
export function verifyServerChain(chain: readonly Uint8Array[], trust: ServerTrust): void {
  const certificates = chain.map(parseCertificate)
  const leaf = certificates[0]
  if (!leaf) throw new ServerApiError('ERR_SERVER_IDENTITY', 'server chain is unexpectedly empty')
  if (trust.roots)
    verifyChain({ chain: certificates, roots: trust.roots.map(parseCertificate), now: trust.now })
  const expected = `spiffe://${trust.trustDomain.name}/spire/server`
  if (leaf.isCa || leaf.uriSans.length !== 1 || leaf.uriSans[0] !== expected) {
    throw new ServerApiError(
      'ERR_SERVER_IDENTITY',
      `expected server SPIFFE ID "${expected}"; got "[${leaf.uriSans.join(' ')}]"`,
    )
  }
}
