import type { Bundle, JWTKey } from '@mini-spire/runtime/proto/spire/api/types/bundle'
import { messageOf } from '@mini-spire/sdk/errors'
import { parseCertificate, parsePublicKey } from '@mini-spire/sdk/x509'
import type { JwtAuthority } from '../../../model/trust-bundle.ts'
import type { UpstreamBundle } from '../upstream-authority.ts'
import { UpstreamAuthorityError } from '../upstream-authority-error.ts'

/** Reads a bundle, tainted marks included. @throws {UpstreamAuthorityError} `ERR_UPSTREAM_FAILED` */
export function bundleFromProto({ x509Authorities, jwtAuthorities }: Bundle): UpstreamBundle {
  const roots = x509Authorities.map(({ asn1, tainted }) => {
    readable('failed to parse X.509 authorities', () => parseCertificate(asn1))
    return { certificate: asn1, tainted }
  })
  return { roots, keys: jwtAuthorities.map(jwtAuthorityFromProto) }
}

/** @throws {UpstreamAuthorityError} `ERR_UPSTREAM_FAILED` */
export function jwtAuthorityFromProto(key: JWTKey): JwtAuthority {
  const { keyId, publicKey, expiresAt, tainted } = key
  readable('failed to parse JWT authorities', () => {
    if (keyId === '') throw new Error('missing key ID')
    parsePublicKey(publicKey).toKeyObject()
  })
  return { keyId, publicKey, expiresAtSeconds: Number(expiresAt), tainted }
}

/** Writes a JWT authority as the API has it. */
export function jwtAuthorityToProto(authority: JwtAuthority): JWTKey {
  const { keyId, publicKey, expiresAtSeconds, tainted } = authority
  return { keyId, publicKey, expiresAt: BigInt(expiresAtSeconds), tainted }
}

/** Checks a chain, DER. @throws {UpstreamAuthorityError} `ERR_UPSTREAM_FAILED` */
export function chainFromProto(chain: readonly Uint8Array[]): readonly Uint8Array[] {
  readable('unable to parse CA cert chain', () => {
    for (const certificate of chain) parseCertificate(certificate)
    if (chain.length === 0) throw new Error('it is empty')
  })
  return chain
}

function readable(what: string, read: () => unknown): void {
  try {
    read()
  } catch (cause) {
    const message = `${what}: ${messageOf(cause)}`
    throw new UpstreamAuthorityError('ERR_UPSTREAM_FAILED', message, { cause })
  }
}
