import { type Certificate, parseCertificate } from '@mini-spire/sdk/x509'
import type { JwtSvidClaims } from '../plugins/credential-composer/credential-composer.ts'
import { CaError } from './ca-error.ts'
import { checkNotExpired, instantText } from './validity.ts'

const serverAuth = '1.3.6.1.5.5.7.3.1'
const clientAuth = '1.3.6.1.5.5.7.3.2'

/** The last second that a date can be. */
const maxDateSeconds = 8.64e12

/** What a credential must be, whatever composers made of it. */
export interface ExpectedSvid {
  readonly spiffeId: string
  readonly nowMs: number
}

/**
 * Checks an X509-SVID after composers had their say: it must be a leaf for this very ID that may be used as one and is valid now.
 *
 * @param der the signed certificate
 * @throws {CaError} `ERR_CERTIFICATE_INVALID`
 */
export function checkComposedX509Svid(der: Uint8Array, expected: ExpectedSvid): void {
  const svid = parseCertificate(der)
  if (svid.isCa) throw invalidSvid('cA constraint must not be set')
  checkUsage(svid)
  const { spiffeId, nowMs } = expected
  if (svid.uriSans.length === 0) throw invalidSvid('missing URI SAN')
  if (svid.uriSans.length > 1 || svid.uriSans[0] !== spiffeId)
    throw invalidSvid(`expected URI SAN "${spiffeId}" but got ${JSON.stringify(svid.uriSans)}`)
  checkNotExpired(svid.notAfter.getTime() / 1000, nowMs, 'X509-SVID')
}

function checkUsage({ keyUsage, extKeyUsage }: Certificate): void {
  if (!keyUsage?.digitalSignature) throw invalidSvid('digitalSignature key usage must be set')
  const { contentCommitment, dataEncipherment, keyCertSign, cRLSign } = keyUsage
  if (contentCommitment || dataEncipherment || keyCertSign || cRLSign)
    throw invalidSvid(
      'only digitalSignature, keyEncipherment, and keyAgreement key usage can be set',
    )
  if (extKeyUsage.length === 0) return
  const missing = [
    ...(extKeyUsage.includes(serverAuth) ? [] : ['serverAuth']),
    ...(extKeyUsage.includes(clientAuth) ? [] : ['clientAuth']),
  ]
  const both = missing.length === 2 ? 'both ' : ''
  if (missing.length > 0)
    throw invalidSvid(`missing ${both}${missing.join(' and ')} extended key usage`)
}

/**
 * Checks the claims of a JWT-SVID after composers had their say: still this very ID, an audience, and valid now.
 *
 * @throws {CaError} `ERR_JWT_SVID_INVALID`
 */
export function checkComposedClaims(claims: JwtSvidClaims, expected: ExpectedSvid): void {
  const { sub, exp, nbf, aud } = claims
  const { spiffeId, nowMs } = expected
  if (sub !== spiffeId)
    throw invalidClaim('sub', `expected "${spiffeId}" but got ${JSON.stringify(sub)}`)
  if (typeof exp !== 'number') throw invalidClaim('exp', 'required but missing')
  if (exp * 1000 <= nowMs) throw invalidClaim('exp', `already expired as of ${instantText(exp)}`)
  if (nbf !== undefined && (typeof nbf !== 'number' || nbf * 1000 > nowMs))
    throw invalidClaim('nbf', `not yet valid until ${whenText(nbf)}`)
  const audience: readonly unknown[] = Array.isArray(aud) ? aud : aud === undefined ? [] : [aud]
  if (audience.length === 0) throw invalidClaim('aud', 'required but missing')
  if (audience.some((one) => typeof one !== 'string' || one === ''))
    throw invalidClaim('aud', 'contains empty value')
}

function whenText(value: unknown): string {
  const isInstant = typeof value === 'number' && Math.abs(value) <= maxDateSeconds
  return isInstant ? instantText(Math.trunc(value)) : JSON.stringify(value)
}

function invalidSvid(why: string): CaError {
  return new CaError('ERR_CERTIFICATE_INVALID', `invalid X509-SVID: ${why}`)
}

function invalidClaim(name: string, why: string): CaError {
  return new CaError('ERR_JWT_SVID_INVALID', `invalid JWT-SVID "${name}" claim: ${why}`)
}
