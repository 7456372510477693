import type { SpiffeBundle } from '@mini-spire/sdk/bundle'
import type { TrustDomain } from '@mini-spire/sdk/spiffe-id'
import type { TrustBundle } from '../model/trust-bundle.ts'
import { BundleEndpointError } from './bundle-endpoint-error.ts'

/** What a fetched bundle is held against. */
export interface KnownBundles {
  readonly ownTrustDomain: TrustDomain
  /** Bundles as they are stored now, the own one included. */
  readonly findBundle: (trustDomainName: string) => TrustBundle | undefined
}

/**
 * Refuses a fetched bundle that takes back what was published before, or that holds keys which are said to be somebody else's:
 * a root whose SPIFFE ID names another trust domain that is known here, or a JWT key of the own trust domain. Keys of others that
 * say nothing of whose they are cannot be told apart; bundles are never merged, so such a key harms its publisher only.
 *
 * A document without sequence number counts as the latest [SPIFFE Federation 4.2].
 *
 * @throws {BundleEndpointError} `ERR_BUNDLE_ENDPOINT_REWOUND`, `ERR_BUNDLE_ENDPOINT_FOREIGN_KEY`
 */
export function checkFetchedBundle(bundle: SpiffeBundle, known: KnownBundles): void {
  const stored = known.findBundle(bundle.trustDomain.name)
  const sequence = Number(bundle.sequenceNumber ?? 0n)
  if (stored && sequence > 0 && sequence < stored.sequenceNumber) {
    throw new BundleEndpointError(
      'ERR_BUNDLE_ENDPOINT_REWOUND',
      `fetched federated bundle has sequence number ${sequence}, older than the stored ${stored.sequenceNumber}; if the trust domain has begun anew, set or delete its bundle`,
    )
  }
  for (const { uriSans } of bundle.x509.authorities) {
    const name = uriSans.map(trustDomainOf).find((one) => isKnownOther(one, bundle, known))
    if (name !== undefined) throw foreignKey(`an X.509 authority of trust domain "${name}"`)
  }
  const own = known.findBundle(known.ownTrustDomain.name)
  const ownKeys = new Set(own?.jwtAuthorities.map(({ publicKey }) => base64(publicKey)))
  for (const { publicKey } of bundle.jwt.authorities) {
    if (ownKeys.has(base64(publicKey.export({ type: 'spki', format: 'der' })))) {
      throw foreignKey('a JWT authority of this trust domain')
    }
  }
}

function trustDomainOf(uri: string): string {
  return /^spiffe:\/\/([^/?#]*)/i.exec(uri)?.[1]?.toLowerCase() ?? ''
}

function isKnownOther(
  name: string,
  { trustDomain }: SpiffeBundle,
  { ownTrustDomain, findBundle }: KnownBundles,
): boolean {
  if (name === trustDomain.name) return false
  return name === ownTrustDomain.name || findBundle(name) !== undefined
}

function foreignKey(what: string): BundleEndpointError {
  return new BundleEndpointError(
    'ERR_BUNDLE_ENDPOINT_FOREIGN_KEY',
    `fetched federated bundle has ${what}`,
  )
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('base64')
}
