import { hash } from 'node:crypto'
import { claimsOf, signClaims } from '../ca/sign-jwt-svid.ts'
import type { IssuedJwtSvid, WitSvidRequest } from './issued-svid.ts'
import { type IssuerOptions, orDefault } from './issuer-options.ts'
import { explained } from './signing-failed.ts'

/** How long a WIT-SVID lives when nobody says otherwise. */
const defaultTtlSeconds = 3600

/**
 * Signs a WIT-SVID [WIT-SVID 3]: `sub`, `iat`, `exp` and the key it is bound to; never `aud`. It lives for the TTL, but never
 * longer than its authority. That it was signed is written down by the hash of the token.
 *
 * @throws {IssuanceError} `ERR_SIGNING_FAILED`
 */
export async function issueWitSvid(
  { authorities, clock, issuanceLog, witIssuer = '' }: IssuerOptions,
  { spiffeId, confirmation, ttlSeconds, entryId, requester }: WitSvidRequest,
): Promise<IssuedJwtSvid> {
  const signed = await explained('failed to sign WIT-SVID', async () => {
    const key = authorities.wit()
    const wish = {
      spiffeId: spiffeId.toString(),
      audience: [],
      ttlSeconds: orDefault(ttlSeconds, defaultTtlSeconds),
      nowMs: clock.nowMs(),
      issuer: witIssuer === '' ? undefined : witIssuer,
      tokenId: undefined,
    }
    const { exp, iat, iss, sub } = claimsOf(key, wish, 'WIT-SVID')
    const claims = { cnf: { jwk: confirmation }, exp, iat, iss, sub }
    const token = await signClaims(key, JSON.stringify(claims))
    return { token, issuedAtSeconds: iat, expiresAtSeconds: exp }
  })
  const { issuedAtSeconds, expiresAtSeconds } = signed
  issuanceLog.append({
    type: 'wit-svid',
    identifier: hash('sha256', signed.token),
    spiffeId: spiffeId.toString(),
    entryId,
    requester,
    issuedAtSeconds,
    expiresAtSeconds,
  })
  return { ...signed, spiffeId }
}
