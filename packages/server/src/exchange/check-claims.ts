import type { JsonObject } from '@mini-spire/sdk/bundle'
import { ExchangeError } from './exchange-error.ts'
import type { TokenIssuer } from './token-issuer.ts'

/** How far the clocks of issuer and server may be apart. */
export const leewaySeconds = 60

/**
 * Checks for whom a verified token is: for names of this server, and for nobody else, who could pass it on.
 *
 * @throws {ExchangeError} `ERR_EXCHANGE_TOKEN_AUDIENCE`
 */
export function checkAudience(issuer: TokenIssuer, { aud }: JsonObject): void {
  const named: readonly unknown[] = Array.isArray(aud) ? aud : [aud]
  const isOurs = (one: unknown): boolean => typeof one === 'string' && issuer.audiences.has(one)
  if (named.length > 0 && named.every(isOurs)) return
  const message = `the token is not for an audience of issuer ${issuer.name}, or for others too`
  throw new ExchangeError('ERR_EXCHANGE_TOKEN_AUDIENCE', message)
}

/**
 * Checks when a verified token is valid, for how long altogether, and how old it is.
 *
 * @returns `exp`, Unix seconds
 * @throws {ExchangeError} `ERR_EXCHANGE_TOKEN_TIMES`
 */
export function checkTimes(issuer: TokenIssuer, claims: JsonObject, nowSeconds: number): number {
  const expiresAt = timeOf(claims, 'exp')
  const issuedAt = timeOf(claims, 'iat')
  if (expiresAt === undefined) throw refused('the token does not say when it expires (exp)')
  if (issuedAt === undefined) throw refused('the token does not say when it was issued (iat)')
  const notBefore = timeOf(claims, 'nbf') ?? issuedAt
  if (!(nowSeconds < expiresAt + leewaySeconds)) throw refused('the token has expired (exp)')
  if (!(nowSeconds + leewaySeconds >= notBefore)) throw refused('the token is not valid yet (nbf)')
  if (!(nowSeconds + leewaySeconds >= issuedAt))
    throw refused('the token was issued in the future (iat)')
  const lifetime = expiresAt - issuedAt
  if (!(lifetime > 0)) throw refused('the token expires before it was issued')
  if (!(lifetime <= issuer.maxLifetimeSeconds + leewaySeconds))
    throw refused(`the token lives longer than tokens of issuer ${issuer.name} may`)
  const { maxAgeSeconds } = issuer
  if (maxAgeSeconds !== undefined && !(nowSeconds - issuedAt <= maxAgeSeconds + leewaySeconds))
    throw refused(`the token is older than tokens of issuer ${issuer.name} may be`)
  return expiresAt
}

/** A time in whole seconds after 1970 that a Date can hold [RFC 7519 2]. */
function timeOf(claims: JsonObject, name: 'exp' | 'iat' | 'nbf'): number | undefined {
  const value = claims[name]
  if (value === undefined) return undefined
  if (typeof value === 'number' && value > 0 && value <= 8.64e12) return Math.trunc(value)
  throw refused(`the token has a time that is none (${name})`)
}

function refused(message: string): ExchangeError {
  return new ExchangeError('ERR_EXCHANGE_TOKEN_TIMES', message)
}
