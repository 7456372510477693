import { CaError } from './ca-error.ts'
import { base64Url, type JwtKey } from './jwt-key.ts'
import { instantText } from './validity.ts'

/** What {@link signJwtSvid} is given; everything in it has been decided and checked. */
export interface JwtSvidClaims {
  /** The SPIFFE ID, as a string. */
  readonly spiffeId: string
  /** Not empty, no empty values. */
  readonly audience: readonly string[]
  readonly ttlSeconds: number
  readonly nowMs: number
  /** `iss`; left out when undefined. */
  readonly issuer: string | undefined
  /** `jti`; left out when undefined. */
  readonly tokenId: string | undefined
}

/** A JWT-SVID that was signed. */
export interface SignedJwtSvid {
  readonly token: string
  readonly issuedAtSeconds: number
  readonly expiresAtSeconds: number
}

/**
 * Signs a JWT-SVID [JWT-SVID 2, 3]: `alg`, `kid` and `typ` in the header; `aud` always as a list. There at once when the
 * authority's key signs synchronously.
 *
 * It lives for the TTL, but never longer than its authority.
 *
 * @throws {CaError} `ERR_JWT_SVID_INVALID` when the authority is at its end
 */
export function signJwtSvid(
  jwtKey: JwtKey,
  claims: JwtSvidClaims,
): SignedJwtSvid | Promise<SignedJwtSvid> {
  const { nowMs, issuer: iss, tokenId: jti } = claims
  const issuedAtSeconds = Math.floor(nowMs / 1000)
  const wanted = Math.floor(nowMs / 1000 + claims.ttlSeconds)
  const expiresAtSeconds = Math.min(wanted, jwtKey.notAfterSeconds)
  if (expiresAtSeconds * 1000 <= nowMs)
    throw new CaError(
      'ERR_JWT_SVID_INVALID',
      `invalid JWT-SVID "exp" claim: already expired as of ${instantText(expiresAtSeconds)}`,
    )
  // Members in the order of their names, as Go writes them; those that are undefined are left out.
  const payload = JSON.stringify({
    aud: claims.audience,
    exp: expiresAtSeconds,
    iat: issuedAtSeconds,
    iss,
    jti,
    sub: claims.spiffeId,
  })
  const unsigned = jwtKey.header + base64Url(payload)
  const signed = (signature: Uint8Array): SignedJwtSvid => ({
    token: `${unsigned}.${Buffer.from(signature).toString('base64url')}`,
    issuedAtSeconds,
    expiresAtSeconds,
  })
  const options = { hash: jwtKey.hash, encoding: 'ieee-p1363' } as const
  const data = Buffer.from(unsigned, 'latin1')
  const { key } = jwtKey
  return key.signSync ? signed(key.signSync(data, options)) : key.sign(data, options).then(signed)
}
