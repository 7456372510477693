import { ApiError } from '@mini-spire/runtime/grpc/api-error'
import { BatchDeleteFederatedBundleRequest_Mode } from '@mini-spire/runtime/proto/spire/api/server/bundle/v1/bundle'
import type {
  Bundle,
  BundleMask,
  JWTKey,
  X509Certificate,
} from '@mini-spire/runtime/proto/spire/api/types/bundle'
import { TrustDomain } from '@mini-spire/sdk/spiffe-id'
import { parseCertificate, parsePublicKey } from '@mini-spire/sdk/x509'
import type { DeleteMode } from '../../federation/federated-bundles.ts'
import type { JwtAuthority, TrustBundle } from '../../model/trust-bundle.ts'
import { int64FromProto, int64ToProto, uint64ToProto } from '../convert-integer.ts'
import { labelled } from '../failure.ts'
import { bundleMessages } from './messages.ts'

/** Writes a bundle with the parts that the mask selects; the trust domain always, and everything without a mask. */
export function bundleToProto(bundle: TrustBundle, mask: BundleMask | undefined): Bundle {
  const has = (part: keyof BundleMask): boolean => mask === undefined || mask[part]
  return {
    trustDomain: bundle.trustDomain.name,
    x509Authorities: has('x509Authorities')
      ? bundle.x509Authorities.map(({ certificate, tainted }) => ({ asn1: certificate, tainted }))
      : [],
    jwtAuthorities: has('jwtAuthorities') ? bundle.jwtAuthorities.map(jwtAuthorityToProto) : [],
    refreshHint: has('refreshHint') ? int64ToProto(bundle.refreshHintSeconds) : 0n,
    sequenceNumber: has('sequenceNumber') ? uint64ToProto(bundle.sequenceNumber) : 0n,
    witAuthorities: has('witAuthorities')
      ? (bundle.witAuthorities ?? []).map(jwtAuthorityToProto)
      : [],
  }
}

/** Writes a JWT authority. */
export function jwtAuthorityToProto(authority: JwtAuthority): JWTKey {
  const { publicKey, keyId, expiresAtSeconds, tainted } = authority
  return { publicKey, keyId, expiresAt: int64ToProto(expiresAtSeconds), tainted }
}

/**
 * Reads X.509 authorities: each exactly one certificate. SPIRE takes several or none in one element, and cannot read its
 * own bundle afterwards. Tainted marks are the server's: what the message says is ignored.
 *
 * @throws {X509Error} for one that is not a certificate
 */
export function x509AuthoritiesFromProto(
  authorities: readonly X509Certificate[],
): readonly Uint8Array[] {
  for (const { asn1 } of authorities) parseCertificate(asn1)
  return authorities.map(({ asn1 }) => asn1)
}

/**
 * Reads JWT authorities: a public key and its ID.
 *
 * @throws {X509Error} for bytes that are no public key
 * @throws {ApiError} for one without ID
 */
export function jwtAuthoritiesFromProto(keys: readonly JWTKey[]): readonly JwtAuthority[] {
  return keys.map(({ publicKey, keyId, expiresAt }) => {
    // Imported, too: a point that is not on its curve would spoil the bundle for everybody who reads it.
    parsePublicKey(publicKey).toKeyObject()
    if (keyId === '') throw new ApiError('invalid-argument', bundleMessages.missingKeyId)
    return { publicKey, keyId, expiresAtSeconds: int64FromProto(expiresAt), tainted: false }
  })
}

/**
 * Reads a whole bundle. WIT authorities are ignored, as everywhere.
 *
 * @throws {ApiError} `invalid-argument` naming the part
 */
export function bundleFromProto(bundle: Bundle): TrustBundle {
  const trustDomain = labelled('invalid trust domain', () => TrustDomain.parse(bundle.trustDomain))
  const certificates = labelled(bundleMessages.x509Unreadable, () =>
    x509AuthoritiesFromProto(bundle.x509Authorities),
  )
  return {
    trustDomain,
    x509Authorities: certificates.map((certificate) => ({ certificate, tainted: false })),
    jwtAuthorities: labelled(bundleMessages.jwtUnreadable, () =>
      jwtAuthoritiesFromProto(bundle.jwtAuthorities),
    ),
    refreshHintSeconds: int64FromProto(bundle.refreshHint),
    sequenceNumber: int64FromProto(bundle.sequenceNumber),
  }
}

/** The parts of a bundle that a mask selects for a change; all without one. */
export function bundleFieldsOf(
  bundle: TrustBundle,
  mask: BundleMask | undefined,
): Partial<Omit<TrustBundle, 'trustDomain'>> {
  const has = (part: keyof BundleMask): boolean => mask === undefined || mask[part]
  return {
    ...(has('x509Authorities') && { x509Authorities: bundle.x509Authorities }),
    ...(has('jwtAuthorities') && { jwtAuthorities: bundle.jwtAuthorities }),
    ...(has('refreshHint') && { refreshHintSeconds: bundle.refreshHintSeconds }),
    ...(has('sequenceNumber') && { sequenceNumber: bundle.sequenceNumber }),
  }
}

const deleteModes: ReadonlyMap<number, DeleteMode> = new Map([
  [BatchDeleteFederatedBundleRequest_Mode.RESTRICT, 'restrict'],
  [BatchDeleteFederatedBundleRequest_Mode.DELETE, 'delete'],
  [BatchDeleteFederatedBundleRequest_Mode.DISSOCIATE, 'dissociate'],
] as const)

/** Reads what is to happen to entries that federate; undefined for a number that nobody knows. */
export function deleteModeFromProto(mode: number): DeleteMode | undefined {
  return deleteModes.get(mode)
}
