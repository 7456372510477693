import { ApiError } from '@mini-spire/runtime/grpc/api-error'
import { JwtBundleSet } from '@mini-spire/sdk/bundle'
import { type JwtSvid, verifyJwtSvid } from '@mini-spire/sdk/jwt-svid'
import type { TrustDomain } from '@mini-spire/sdk/spiffe-id'
import type { TrustBundle } from '../../model/trust-bundle.ts'
import { jwtBundleOf } from './convert.ts'
import { validationText } from './validation-text.ts'

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
    // Line breaks are no part of a token for SPIRE's agent: one that was read from a file is good.
    return verifyJwtSvid(token.replaceAll(/[\r\n]/g, ''), {
      audience,
      bundles: set,
      now,
      ignoresType: true,
    })
  } catch (error) {
    throw new ApiError('invalid-argument', validationText(error, token), { cause: error })
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
