import { createHash } from 'node:crypto'
import type { LogFields } from '@mini-spire/runtime/log/logger'
import type {
  Bundle,
  BundleMask,
  JWTKey,
  X509Certificate,
} from '@mini-spire/runtime/proto/spire/api/types/bundle'

/** What an audit line says about authorities: keys and certificates as their hashes only. */
export function auditAuthorities(
  x509Authorities: readonly X509Certificate[],
  jwtAuthorities: readonly JWTKey[],
): LogFields {
  const fields: Record<string, unknown> = {}
  for (const [index, { publicKey, keyId, expiresAt }] of jwtAuthorities.entries()) {
    fields[`jwt_authority_expires_at.${index}`] = expiresAt
    fields[`jwt_authority_key_id.${index}`] = keyId
    fields[`jwt_authority_public_key_sha256.${index}`] = hashField(publicKey)
  }
  for (const [index, { asn1 }] of x509Authorities.entries()) {
    fields[`x509_authorities_asn1_sha256.${index}`] = hashField(asn1)
  }
  return fields
}

/** What an audit line says about a published JWT authority. */
export function auditJwtAuthority({ publicKey, keyId, expiresAt }: JWTKey): LogFields {
  return {
    jwt_authority_expires_at: expiresAt,
    jwt_authority_key_id: keyId,
    jwt_authority_public_key_sha256: hashField(publicKey),
  }
}

/** What an audit line says about a federated bundle: the parts that the mask selects. */
export function auditBundle(bundle: Bundle, mask: BundleMask | undefined): LogFields {
  const has = (part: keyof BundleMask): boolean => mask === undefined || mask[part]
  return {
    trust_domain_id: bundle.trustDomain,
    ...(has('refreshHint') && { refresh_hint: bundle.refreshHint }),
    ...(has('sequenceNumber') && { sequence_number: bundle.sequenceNumber }),
    ...auditAuthorities(
      has('x509Authorities') ? bundle.x509Authorities : [],
      has('jwtAuthorities') ? bundle.jwtAuthorities : [],
    ),
  }
}

function hashField(bytes: Uint8Array): string {
  return bytes.length === 0 ? '' : createHash('sha256').update(bytes).digest('hex')
}
