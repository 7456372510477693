import { jwtAuthorityFromSpki, SpiffeBundle } from '@mini-spire/sdk/bundle'
import { parseCertificate } from '@mini-spire/sdk/x509'
import type { TrustBundle } from '../model/trust-bundle.ts'

/**
 * A stored bundle as the document of the standard has it. A sequence number or refresh hint of 0 is none, as in SPIRE.
 *
 * @throws {BundleError} or {@link X509Error} for an authority that cannot be read
 */
export function spiffeBundleOf(bundle: TrustBundle): SpiffeBundle {
  const { sequenceNumber, refreshHintSeconds } = bundle
  return new SpiffeBundle(bundle.trustDomain, {
    x509Authorities: bundle.x509Authorities.map(({ certificate }) => parseCertificate(certificate)),
    jwtAuthorities: bundle.jwtAuthorities.map(({ keyId, publicKey }) =>
      jwtAuthorityFromSpki(keyId, publicKey),
    ),
    ...(sequenceNumber > 0 && { sequenceNumber: BigInt(Math.trunc(sequenceNumber)) }),
    ...(refreshHintSeconds > 0 && { refreshHintSeconds }),
  })
}

/** A bundle as it is stored. Keys of a document have no expiry, and nobody but their owner may call them tainted. */
export function trustBundleOf(bundle: SpiffeBundle): TrustBundle {
  return {
    trustDomain: bundle.trustDomain,
    x509Authorities: bundle.x509.authorities.map(({ raw }) => ({
      certificate: raw,
      tainted: false,
    })),
    jwtAuthorities: bundle.jwt.authorities.map(({ keyId, publicKey }) => ({
      keyId,
      publicKey: publicKey.export({ type: 'spki', format: 'der' }),
      expiresAtSeconds: 0,
      tainted: false,
    })),
    refreshHintSeconds: bundle.refreshHintSeconds ?? 0,
    sequenceNumber: Number(bundle.sequenceNumber ?? 0n),
  }
}

/** Whether two stored bundles say the same, in whatever order their keys stand. */
export function isSameBundle(one: TrustBundle, other: TrustBundle): boolean {
  return (
    one.sequenceNumber === other.sequenceNumber &&
    one.refreshHintSeconds === other.refreshHintSeconds &&
    isSameSet(one.x509Authorities.map(x509Text), other.x509Authorities.map(x509Text)) &&
    isSameSet(one.jwtAuthorities.map(jwtText), other.jwtAuthorities.map(jwtText))
  )
}

function x509Text({ certificate }: TrustBundle['x509Authorities'][number]): string {
  return Buffer.from(certificate).toString('base64')
}

function jwtText({ keyId, publicKey }: TrustBundle['jwtAuthorities'][number]): string {
  return `${Buffer.from(publicKey).toString('base64')} ${keyId}`
}

function isSameSet(one: readonly string[], other: readonly string[]): boolean {
  const known = new Set(one)
  return known.size === new Set(other).size && other.every((text) => known.has(text))
}
