import type { X509BundleSource } from '../bundle/index.ts'
import { messageOf } from '../errors.ts'
import type { SpiffeId } from '../spiffe-id/index.ts'
import { type Certificate, parseCertificate, verifyChain, X509Error } from '../x509/index.ts'
import { spiffeIdOfLeaf } from './leaf-rules.ts'
import { X509SvidError } from './x509-svid-error.ts'

/** Options of {@link verifyX509Svid}. */
export interface VerifyX509SvidOptions {
  readonly now: Date
}

/** Most certificates that a peer may send. */
const maxCertificates = 16

/**
 * Verifies an X509-SVID chain and returns the SPIFFE ID it proves.
 *
 * The leaf must be a valid leaf [X509-SVID 5.2] and lead to a root in the bundle of its own trust domain: a root of one trust
 * domain never vouches for another. Any extended key usage will do, names other than the URI are not looked at. Revocation
 * is not checked; SVIDs are short-lived instead. That the peer holds the private key is for TLS to show.
 *
 * @param chain certificates as the peer sent them, DER or parsed, leaf first
 * @throws {X509SvidError} `ERR_X509_SVID_MALFORMED` if a certificate is none or the leaf breaks a rule,
 *   `ERR_X509_SVID_EXPIRED` if the leaf is not valid now, `ERR_X509_SVID_UNTRUSTED` if no path leads to a root
 * @example
 * const id = verifyX509Svid(chain, bundles, { now: new Date() })
 * if (!id.isMemberOf(ourTrustDomain)) socket.destroy()
 */
export function verifyX509Svid(
  chain: readonly (Uint8Array | Certificate)[],
  bundles: X509BundleSource,
  options: VerifyX509SvidOptions,
): SpiffeId {
  const certificates = parseChain(chain)
  const [leaf] = certificates
  if (!leaf) throw new X509SvidError('ERR_X509_SVID_MALFORMED', 'empty certificates chain')
  const id = spiffeIdOfLeaf(leaf)
  const bundle = bundles.findX509Bundle(id.trustDomain)
  if (!bundle?.trustDomain.equals(id.trustDomain))
    throw new X509SvidError(
      'ERR_X509_SVID_UNTRUSTED',
      `could not get X509 bundle: no X.509 bundle found for trust domain: "${id.trustDomain}"`,
    )
  try {
    verifyChain({ chain: certificates, roots: bundle.authorities, now: options.now })
  } catch (error) {
    throw untrusted(error)
  }
  return id
}

function parseChain(chain: readonly (Uint8Array | Certificate)[]): readonly Certificate[] {
  if (chain.length > maxCertificates)
    throw new X509SvidError('ERR_X509_SVID_MALFORMED', 'too many certificates in the chain')
  try {
    return chain.map((one) => (one instanceof Uint8Array ? parseCertificate(one) : one))
  } catch (error) {
    if (!(error instanceof X509Error)) throw error
    throw new X509SvidError('ERR_X509_SVID_MALFORMED', error.message, { cause: error })
  }
}

function untrusted(error: unknown): unknown {
  if (!(error instanceof X509Error)) return error
  const code =
    error.code === 'ERR_CERTIFICATE_EXPIRED' ? 'ERR_X509_SVID_EXPIRED' : 'ERR_X509_SVID_UNTRUSTED'
  return new X509SvidError(code, `could not verify leaf certificate: ${messageOf(error)}`, {
    cause: error,
  })
}
