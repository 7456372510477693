import { hash } from 'node:crypto'
import { messageOf } from '@mini-spire/sdk/errors'
import type { SpiffeId, TrustDomain } from '@mini-spire/sdk/spiffe-id'
import { signComposedJwtSvid } from '../ca/sign-composed-svid.ts'
import { signJwtSvid } from '../ca/sign-jwt-svid.ts'
import { checkWorkloadId } from '../registration/check-id.ts'
import { IssuanceError } from './issuance-error.ts'
import type { IssuedJwtSvid } from './issued-svid.ts'
import { type IssuerOptions, orDefault } from './issuer-options.ts'
import { explained } from './signing-failed.ts'

/** What a JWT-SVID is to say, and for whom it is. */
export interface JwtSvidWish {
  readonly spiffeId: SpiffeId
  readonly audience: readonly string[]
  /** 0 or less: the server's default. */
  readonly ttlSeconds: number
  /** `jti`; undefined: none. */
  readonly tokenId: string | undefined
  readonly entryId: string
  readonly requester: string
}

/**
 * Checks the wish, signs the JWT-SVID, and writes down that it was signed: by its `jti`, or the hash of the token.
 *
 * @throws {IssuanceError} `ERR_JWT_SVIDS_DISABLED`, `ERR_SVID_ID_REFUSED`, `ERR_AUDIENCE_MISSING`, `ERR_SIGNING_FAILED`
 */
export async function issueJwtSvid(
  issuing: IssuerOptions,
  wish: JwtSvidWish,
): Promise<IssuedJwtSvid> {
  const { authorities, clock, jwtIssuer, ttls } = issuing
  if (authorities.isJwtDisabled)
    throw new IssuanceError('ERR_JWT_SVIDS_DISABLED', 'JWT functionality is disabled')
  checkWish(issuing.trustDomain, wish)
  const { tokenId, entryId, requester } = wish
  const spiffeId = wish.spiffeId.toString()
  const signed = await explained('failed to sign JWT-SVID', () => {
    const audience = wish.audience.filter((value) => value !== '')
    if (audience.length === 0) throw new Error('invalid JWT-SVID audience: cannot be empty')
    const ttlSeconds = orDefault(wish.ttlSeconds, ttls.jwtSvidTtlSeconds)
    const issuer = jwtIssuer === '' ? undefined : jwtIssuer
    const nowMs = clock.nowMs()
    const claims = { spiffeId, audience, ttlSeconds, nowMs, issuer, tokenId }
    const key = authorities.jwt()
    const { composers } = issuing
    return !composers || composers.isEmpty
      ? signJwtSvid(key, claims)
      : signComposedJwtSvid(key, claims, { composers, spiffeId: wish.spiffeId })
  })
  const { token, issuedAtSeconds, expiresAtSeconds } = signed
  issuing.issuanceLog.append({
    type: 'jwt-svid',
    identifier: tokenId ?? hash('sha256', token),
    spiffeId,
    entryId,
    requester,
    issuedAtSeconds,
    expiresAtSeconds,
  })
  issuing.onSigned?.('jwt_svid')
  return { token, issuedAtSeconds, expiresAtSeconds, spiffeId: wish.spiffeId }
}

function checkWish(trustDomain: TrustDomain, { spiffeId, audience }: JwtSvidWish): void {
  try {
    checkWorkloadId(trustDomain, spiffeId)
  } catch (error) {
    const message = `invalid SPIFFE ID: ${messageOf(error)}`
    throw new IssuanceError('ERR_SVID_ID_REFUSED', message, { cause: error })
  }
  if (audience.length === 0)
    throw new IssuanceError('ERR_AUDIENCE_MISSING', 'at least one audience is required')
}
