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
  const wire = claimsOf(jwtKey, claims)
  const { iat: issuedAtSeconds, exp: expiresAtSeconds } = wire
  const signed = (token: string): SignedJwtSvid => ({ token, issuedAtSeconds, expiresAtSeconds })
  const token = signClaims(jwtKey, JSON.stringify(wire))
  return token instanceof Promise ? token.then(signed) : signed(token)
}

/** The claims of a JWT-SVID as they stand in the token. */
export interface WireClaims {
  readonly aud: readonly string[]
  readonly exp: number
  readonly iat: number
  readonly iss: string | undefined
  readonly jti: string | undefined
  readonly sub: string
}

/**
 * The claims of a token, in the order of their names, as Go writes them; JSON leaves out those that are undefined.
 *
 * @param what how errors call the token
 * @throws {CaError} `ERR_JWT_SVID_INVALID` when the authority is at its end
 */
export function claimsOf(
  jwtKey: JwtKey,
  claims: JwtSvidClaims,
  what: 'JWT-SVID' | 'WIT-SVID' = 'JWT-SVID',
): WireClaims {
  const { nowMs, audience: aud, issuer: iss, tokenId: jti, spiffeId: sub } = claims
  const iat = Math.floor(nowMs / 1000)
  const exp = Math.min(Math.floor(nowMs / 1000 + claims.ttlSeconds), jwtKey.notAfterSeconds)
  if (exp * 1000 <= nowMs)
    throw new CaError(
      'ERR_JWT_SVID_INVALID',
      `invalid ${what} "exp" claim: already expired as of ${instantText(exp)}`,
    )
  return { aud, exp, iat, iss, jti, sub }
}

/**
 * Signs claims, JSON, as they are. There at once when the authority's key signs synchronously.
 *
 * @returns the token
 */
export function signClaims(jwtKey: JwtKey, payload: string): string | Promise<string> {
  const unsigned = jwtKey.header + base64Url(payload)
  const signed = (signature: Uint8Array): string =>
    `${unsigned}.${Buffer.from(signature).toString('base64url')}`
  const options = { hash: jwtKey.hash, encoding: 'ieee-p1363' } as const
  const data = Buffer.from(unsigned, 'latin1')
  const { key } = jwtKey
  return key.signSync ? signed(key.signSync(data, options)) : key.sign(data, options).then(signed)
}
