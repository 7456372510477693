import { JwtBundle, JwtBundleSet, X509Bundle, X509BundleSet } from '../bundle/index.ts'
import { type JwtSvid, parseJwtSvidInsecure } from '../jwt-svid/index.ts'
import type {
  JWTBundlesResponse,
  JWTSVIDResponse,
  X509BundlesResponse,
  X509SVIDResponse,
} from '../proto/spiffe/workload/workload.ts'
import { TrustDomain } from '../spiffe-id/index.ts'
import { X509Svid } from '../x509-svid/index.ts'
import { WorkloadApiError } from './workload-api-error.ts'

/** Everything X.509 a workload is entitled to now: its SVIDs, first one first, and the roots it may verify peers with. */
export interface X509Context {
  readonly svids: readonly [X509Svid, ...X509Svid[]]
  readonly bundles: X509BundleSet
}

/**
 * Later SVIDs with a hint that was seen already are left out: the first one counts [Workload API 5.2].
 */
function withoutRepeatedHints<Svid extends { readonly hint: string }>(
  svids: readonly Svid[],
): readonly Svid[] {
  const seen = new Set<string>()
  return svids.filter(({ hint }) => {
    if (hint === '') return true
    if (seen.has(hint)) return false
    seen.add(hint)
    return true
  })
}

/**
 * Reads one message of the stream.
 *
 * @throws {WorkloadApiError} `ERR_WORKLOAD_API_RESPONSE` without SVIDs; {@link X509SvidError} for one that breaks a rule
 */
export function x509ContextFromProto(response: X509SVIDResponse): X509Context {
  const { svids, bundles } = x509SvidsFromProto(response)
  const [first, ...others] = svids
  if (!first) throw new WorkloadApiError('ERR_WORKLOAD_API_RESPONSE', 'no SVIDs in response')
  return { svids: [first, ...others], bundles }
}

/** Reads one message, which may hold no SVIDs. @throws {X509SvidError} for one that breaks a rule */
export function x509SvidsFromProto(response: X509SVIDResponse): {
  readonly svids: readonly X509Svid[]
  readonly bundles: X509BundleSet
} {
  const read = withoutRepeatedHints(response.svids).map((one) => {
    const svid = X509Svid.parseDer(one.x509Svid, one.x509SvidKey, one.hint)
    // The name beside the certificate may belong to an entry that has just changed: what counts is what was signed.
    return { svid, bundle: X509Bundle.parseDer(svid.spiffeId.trustDomain, one.bundle) }
  })
  const own = read.map(({ bundle }) => bundle)
  const federated = x509BundlesFromMap(response.federatedBundles)
  const svids = read.map(({ svid }) => svid)
  return { svids, bundles: new X509BundleSet([...federated, ...own]) }
}

/** Reads one message of the stream. @throws {X509Error} for roots that cannot be read */
export function x509BundlesFromProto(response: X509BundlesResponse): X509BundleSet {
  return new X509BundleSet(x509BundlesFromMap(response.bundles))
}

function x509BundlesFromMap(bundles: Map<string, Uint8Array>): readonly X509Bundle[] {
  return [...bundles].map(([id, der]) => X509Bundle.parseDer(TrustDomain.parse(id), der))
}

/** Reads one message of the stream. @throws {BundleError} for a key set that cannot be read */
export function jwtBundlesFromProto(response: JWTBundlesResponse): JwtBundleSet {
  const bundles = [...response.bundles].map(([id, jwks]) =>
    JwtBundle.parse(TrustDomain.parse(id), Buffer.from(jwks).toString('utf8')),
  )
  return new JwtBundleSet(bundles)
}

/**
 * Tokens are read, not verified: they come from the agent that vouches for them.
 *
 * @throws {WorkloadApiError} `ERR_WORKLOAD_API_RESPONSE` without SVIDs; {@link JwtSvidError} for one that breaks a rule
 */
export function jwtSvidsFromProto(response: JWTSVIDResponse): readonly [JwtSvid, ...JwtSvid[]] {
  const [first, ...others] = withoutRepeatedHints(response.svids).map((one) =>
    parseJwtSvidInsecure(one.svid, { hint: one.hint }),
  )
  if (!first) {
    throw new WorkloadApiError('ERR_WORKLOAD_API_RESPONSE', 'there were no SVIDs in the response')
  }
  return [first, ...others]
}
