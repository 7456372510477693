import { ApiError } from '@mini-spire/runtime/grpc/api-error'
import { JwtBundleSet } from '@mini-spire/sdk/bundle'
import { messageOf } from '@mini-spire/sdk/errors'
import { type JwtSvid, JwtSvidError, verifyJwtSvid } from '@mini-spire/sdk/jwt-svid'
import type { TrustDomain } from '@mini-spire/sdk/spiffe-id'
import type { TrustBundle } from '../../model/trust-bundle.ts'
import { jwtBundleOf } from './convert.ts'

/** Claims of a foreign token that are always shown. */
const alwaysAllowed: readonly string[] = ['sub', 'exp', 'aud']

/** What a token is checked with. */
export interface ValidationOptions {
  readonly audience: string
  readonly bundles: readonly TrustBundle[]
  readonly now: Date
}

/**
 * Checks a token for a workload.
 *
 * @throws {ApiError} invalid argument, with SPIRE's text for what is wrong
 */
export function validateJwtSvid(token: string, options: ValidationOptions): JwtSvid {
  const { audience, bundles, now } = options
  try {
    const set = new JwtBundleSet(bundles.map(jwtBundleOf))
    return verifyJwtSvid(token, { audience, bundles: set, now, ignoresType: true })
  } catch (error) {
    throw new ApiError('invalid-argument', textOf(error), { cause: error })
  }
}

/** The claims that a workload may see: of a foreign trust domain's only those that are allowed. `aud` is always a list. */
export function visibleClaims(
  svid: JwtSvid,
  own: TrustDomain,
  allowed: ReadonlySet<string>,
): { readonly [name: string]: unknown } {
  const isVisible = (name: string): boolean =>
    svid.spiffeId.isMemberOf(own) || alwaysAllowed.includes(name) || allowed.has(name)
  const claims: Record<string, unknown> = Object.create(null)
  for (const [name, value] of Object.entries(svid.claims)) if (isVisible(name)) claims[name] = value
  claims['aud'] = [...svid.audience]
  return claims
}

/** The agent's texts, where they are not the library's. */
function textOf(error: unknown): string {
  const message = messageOf(error)
  if (!(error instanceof JwtSvidError)) return message
  switch (error.code) {
    case 'ERR_JWT_SVID_MALFORMED':
      return `unable to parse JWT token: ${message}`
    case 'ERR_JWT_SVID_SUBJECT_INVALID':
      return `token has in invalid subject claim: ${withoutPrefix(message)}`
    case 'ERR_JWT_SVID_BUNDLE_NOT_FOUND':
      return message.replace('no bundle found for', 'no keys found for')
    case 'ERR_JWT_SVID_AUTHORITY_NOT_FOUND':
      return message.replace(
        /^no JWT authority (".*") found for (trust domain ".*")$/,
        'public key $1 not found in $2',
      )
    default:
      return message
  }
}

function withoutPrefix(message: string): string {
  return message.replace(/^token has an invalid subject claim: /, '')
}
