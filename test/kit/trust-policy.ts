import { createRemoteJWKSet, decodeJwt, jwtVerify } from 'jose'

/** What a cloud's trust policy pins. */
export interface TrustPolicy {
  readonly issuer: string
  readonly audience: string
  readonly subject: string
}

/** Why a token is refused, as clouds tell it apart. */
export type TokenFault = 'issuer' | 'audience' | 'subject' | 'expired' | 'signature' | 'malformed'

/**
 * Checks a token as a cloud does: issuer, audience and subject byte for byte, the signature by keys that are fetched from
 * the issuer over HTTP each time.
 *
 * @returns why it is refused; undefined when it is not
 */
export async function findFault(
  token: string,
  policy: TrustPolicy,
): Promise<TokenFault | undefined> {
  const claims = claimsOf(token)
  if (!claims) return 'malformed'
  if (claims.iss !== policy.issuer) return 'issuer'
  const found = await fetch(`${policy.issuer}/.well-known/openid-configuration`)
  const document = (await found.json()) as { readonly issuer: string; readonly jwks_uri: string }
  if (document.issuer !== policy.issuer) return 'issuer'
  try {
    const algorithms = ['ES256', 'RS256', 'ES384']
    await jwtVerify(token, createRemoteJWKSet(new URL(document.jwks_uri)), { algorithms })
  } catch (error) {
    return (error as { code?: string }).code === 'ERR_JWT_EXPIRED' ? 'expired' : 'signature'
  }
  if (claims.exp === undefined) return 'malformed'
  const audience = Array.isArray(claims.aud) ? claims.aud : [claims.aud]
  if (audience.length !== 1 || audience[0] !== policy.audience) return 'audience'
  return claims.sub === policy.subject ? undefined : 'subject'
}

function claimsOf(token: string): ReturnType<typeof decodeJwt> | undefined {
  try {
    return decodeJwt(token)
  } catch {
    return undefined
  }
}
