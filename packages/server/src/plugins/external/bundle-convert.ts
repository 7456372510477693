import type { Bundle } from '@mini-spire/runtime/proto/spire/plugin/types/bundle'
import type { JWTKey } from '@mini-spire/runtime/proto/spire/plugin/types/jwtkey'
import type { X509Certificate } from '@mini-spire/runtime/proto/spire/plugin/types/x509certificate'
import type { JwtAuthority, TrustBundle, X509Authority } from '../../model/trust-bundle.ts'

/** A trust bundle as plugins see it. */
export function bundleToPluginProto(bundle: TrustBundle): Bundle {
  return {
    trustDomain: bundle.trustDomain.name,
    x509Authorities: bundle.x509Authorities.map(x509AuthorityToPluginProto),
    jwtAuthorities: bundle.jwtAuthorities.map(jwtAuthorityToPluginProto),
    refreshHint: BigInt(bundle.refreshHintSeconds),
    sequenceNumber: BigInt(bundle.sequenceNumber),
    witAuthorities: [],
  }
}

/** A root certificate as plugins see it. */
export function x509AuthorityToPluginProto(authority: X509Authority): X509Certificate {
  return { asn1: Buffer.from(authority.certificate), tainted: authority.tainted }
}

/** A JWT authority as plugins see it. */
export function jwtAuthorityToPluginProto(authority: JwtAuthority): JWTKey {
  return {
    publicKey: Buffer.from(authority.publicKey),
    keyId: authority.keyId,
    expiresAt: BigInt(authority.expiresAtSeconds),
    tainted: authority.tainted,
  }
}
