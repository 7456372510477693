import { createPublicKey } from 'node:crypto'
import type { JWTKey } from '@mini-spire/runtime/proto/spire/plugin/types/jwtkey'
import type { X509Certificate } from '@mini-spire/runtime/proto/spire/plugin/types/x509certificate'
import { parseCertificate } from '@mini-spire/sdk/x509'
import type { JwtAuthority, X509Authority } from '../../model/trust-bundle.ts'

/** A root certificate that a plugin named; undefined when it is none. */
export function x509AuthorityFromPluginProto({
  asn1,
  tainted,
}: X509Certificate): X509Authority | undefined {
  return succeeds(() => parseCertificate(asn1)) ? { certificate: asn1, tainted } : undefined
}

/** A JWT authority that a plugin named; undefined when it has no ID or no public key. */
export function jwtAuthorityFromPluginProto(key: JWTKey): JwtAuthority | undefined {
  const { keyId, publicKey, expiresAt, tainted } = key
  const isKey = succeeds(() =>
    createPublicKey({ key: Buffer.from(publicKey), format: 'der', type: 'spki' }),
  )
  if (keyId === '' || !isKey || expiresAt < 0n) return undefined
  return { keyId, publicKey, expiresAtSeconds: Number(expiresAt), tainted }
}

function succeeds(work: () => unknown): boolean {
  try {
    work()
    return true
  } catch {
    return false
  }
}
