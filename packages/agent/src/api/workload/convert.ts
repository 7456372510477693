import { JwtBundle, jwtAuthorityFromSpki } from '@mini-spire/sdk/bundle'
import {
  JWTBundlesResponse,
  type JWTSVIDResponse,
  type ValidateJWTSVIDResponse,
  X509BundlesResponse,
  X509SVIDResponse,
} from '@mini-spire/sdk/internal/spiffe/workload/workload'
import type { WorkloadIdentity, WorkloadView } from '../../cache/workload-view.ts'
import type { AgentEntry } from '../../model/agent-entry.ts'
import type { WorkloadJwtSvid } from '../../model/svid.ts'
import type { TrustBundle } from '../../model/trust-bundle.ts'

/** The root certificates of a bundle, one after the other. Derived from bundles that do not change, so kept with them. */
export const rootsOf: (bundle: TrustBundle) => Uint8Array = memo(
  (bundle: TrustBundle): Uint8Array =>
    Buffer.concat(bundle.x509Authorities.map(({ certificate }) => certificate)),
)

/** The JWT authorities of a bundle, as a JWKS. */
export const jwksOf: (bundle: TrustBundle) => Uint8Array = memo(
  (bundle: TrustBundle): Uint8Array => Buffer.from(jwtBundleOf(bundle).marshal()),
)

/** The JWT authorities of a bundle, ready to verify with. */
export const jwtBundleOf: (bundle: TrustBundle) => JwtBundle = memo(
  (bundle: TrustBundle): JwtBundle =>
    new JwtBundle(
      bundle.trustDomain,
      bundle.jwtAuthorities.map(({ keyId, publicKey }) => jwtAuthorityFromSpki(keyId, publicKey)),
    ),
)

/** Encodes what FetchX509SVID answers. */
export function encodeX509Svids(
  view: WorkloadView,
  identities: readonly WorkloadIdentity[],
): Uint8Array {
  const bundle = rootsOf(view.bundle)
  return X509SVIDResponse.encode({
    svids: identities.map(({ entry, svid }) => ({
      spiffeId: entry.spiffeId.toString(),
      x509Svid: Buffer.concat(svid.chain),
      x509SvidKey: svid.privateKey,
      bundle,
      hint: entry.hint,
    })),
    crl: [],
    federatedBundles: byDomain(view.federatedBundles, rootsOf),
  }).finish()
}

/** Encodes what FetchX509Bundles answers. */
export function encodeX509Bundles(bundles: readonly TrustBundle[]): Uint8Array {
  return X509BundlesResponse.encode({ crl: [], bundles: byDomain(bundles, rootsOf) }).finish()
}

/** Encodes what FetchJWTBundles answers. */
export function encodeJwtBundles(bundles: readonly TrustBundle[]): Uint8Array {
  return JWTBundlesResponse.encode({ bundles: byDomain(bundles, jwksOf) }).finish()
}

/** What FetchJWTSVID answers. */
export function jwtSvidsToProto(
  svids: readonly { readonly entry: AgentEntry; readonly svid: WorkloadJwtSvid }[],
): JWTSVIDResponse {
  return {
    svids: svids.map(({ entry, svid }) => ({
      spiffeId: entry.spiffeId.toString(),
      svid: svid.token,
      hint: entry.hint,
    })),
  }
}

/** What ValidateJWTSVID answers. */
export function validatedToProto(
  spiffeId: string,
  claims: { readonly [name: string]: unknown },
): ValidateJWTSVIDResponse {
  return { spiffeId, claims: { ...claims } }
}

/** Something of each bundle, by the ID of its trust domain. */
export function byDomain(
  bundles: Iterable<TrustBundle>,
  contentOf: (bundle: TrustBundle) => Uint8Array,
): Map<string, Uint8Array> {
  return new Map(
    Array.from(bundles, (bundle) => [bundle.trustDomain.idString, contentOf(bundle)] as const),
  )
}

function memo<K extends object, V>(compute: (key: K) => V): (key: K) => V {
  const known = new WeakMap<K, V>()
  return (key) => {
    const found = known.get(key)
    if (found !== undefined) return found
    const made = compute(key)
    known.set(key, made)
    return made
  }
}
