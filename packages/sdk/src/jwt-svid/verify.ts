import type { JwtBundleSource } from '../bundle/index.ts'
import { isSignedBy } from './algorithms.ts'
import { JwtSvidError } from './jwt-svid-error.ts'
import { type JwtSvid, type ParsedToken, parseToken } from './parse.ts'

/** Options of {@link verifyJwtSvid}. */
export interface VerifyJwtSvidOptions {
  /** The names that this service answers to; the token must be for one of them. At least one. */
  readonly audience: string | readonly string[]
  readonly bundles: JwtBundleSource
  readonly now: Date
  /**
   * Whether any `typ` header is let through, as SPIRE's agent does; the standard allows `JWT` and `JOSE`.
   *
   * @default false
   */
  readonly ignoresType?: boolean
}

/** How far the clocks of issuer and verifier may be apart. */
const leewaySeconds = 60

/**
 * Verifies a JWT-SVID and returns it [JWT-SVID 4].
 *
 * The signature must be of the algorithm list, by the key that the header's `kid` names in the bundle of the subject's own
 * trust domain: a key of one trust domain never vouches for another. The token must be for one of the audiences, and be valid
 * now, give or take a minute. `iss` and `jti` are not checked: a token can be used twice.
 *
 * @throws {JwtSvidError} with a code per rule; checks are made in the order of SPIRE's, so that a token that breaks several
 *   rules reports the same one
 * @example
 * const svid = verifyJwtSvid(token, { audience: 'spiffe://example.org/api', bundles, now: new Date() })
 * svid.spiffeId.path // '/web'
 */
export function verifyJwtSvid(token: string, options: VerifyJwtSvidOptions): JwtSvid {
  const { bundles, now } = options
  const expected = typeof options.audience === 'string' ? [options.audience] : options.audience
  if (expected.length === 0) throw new TypeError('an audience is needed to verify a JWT-SVID')
  const parsed = parseToken(token, { ignoresType: options.ignoresType ?? false })
  checkSignature(parsed, bundles)
  const { audience } = parsed.svid
  if (!audience.some((one) => expected.includes(one)))
    throw new JwtSvidError(
      'ERR_JWT_SVID_AUDIENCE',
      `expected audience in ${quoteList(expected)} (audience=${quoteList(audience)})`,
    )
  checkTimes(parsed, now.getTime() / 1000)
  return parsed.svid
}

function checkSignature(parsed: ParsedToken, bundles: JwtBundleSource): void {
  const { trustDomain } = parsed.svid.spiffeId
  const bundle = bundles.findJwtBundle(trustDomain)
  if (!bundle?.trustDomain.equals(trustDomain))
    throw new JwtSvidError(
      'ERR_JWT_SVID_BUNDLE_NOT_FOUND',
      `no bundle found for trust domain "${trustDomain}"`,
    )
  const key = bundle.findAuthority(parsed.keyId)
  if (!key)
    throw new JwtSvidError(
      'ERR_JWT_SVID_AUTHORITY_NOT_FOUND',
      `no JWT authority ${quote(parsed.keyId)} found for trust domain "${trustDomain}"`,
    )
  if (!parsed.isUnderstood)
    throw new JwtSvidError('ERR_JWT_SVID_HEADER', 'unsupported critical header')
  if (!isSignedBy(key, parsed.algorithm, parsed.signed, parsed.signature))
    throw new JwtSvidError('ERR_JWT_SVID_SIGNATURE', 'error in cryptographic primitive')
}

/** Not-before, expiry, issued-at, in this order. Written so that a time that is no number is refused. */
function checkTimes({ svid, notBefore }: ParsedToken, nowSeconds: number): void {
  if (notBefore !== undefined && !(nowSeconds + leewaySeconds >= notBefore))
    throw new JwtSvidError('ERR_JWT_SVID_NOT_YET_VALID', 'token not valid yet (nbf)')
  if (!(nowSeconds - leewaySeconds <= svid.expiresAt.getTime() / 1000))
    throw new JwtSvidError('ERR_JWT_SVID_EXPIRED', 'token has expired')
  if (svid.issuedAt && !(nowSeconds + leewaySeconds >= svid.issuedAt.getTime() / 1000))
    throw new JwtSvidError('ERR_JWT_SVID_ISSUED_IN_FUTURE', 'token issued in the future (iat)')
}

/** A list as Go prints it with `%q`. */
function quoteList(texts: readonly string[]): string {
  return `[${texts.map(quote).join(' ')}]`
}

function quote(text: string): string {
  return JSON.stringify(text.slice(0, 1024))
}
