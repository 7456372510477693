import type { SpiffeId } from './spiffe-id.ts'
import { SpiffeIdError } from './spiffe-id-error.ts'
import type { TrustDomain } from './trust-domain.ts'

/** Accepts an ID by returning, refuses it by throwing `ERR_SPIFFE_ID_UNEXPECTED`. */
export type SpiffeIdMatcher = (id: SpiffeId) => void

function refuse(message: string): never {
  throw new SpiffeIdError('ERR_SPIFFE_ID_UNEXPECTED', message)
}

/** Accepts every ID. */
export function matchAny(): SpiffeIdMatcher {
  return () => {}
}

/** Accepts exactly this ID. */
export function matchId(expected: SpiffeId): SpiffeIdMatcher {
  return (id) => {
    if (!id.equals(expected)) refuse(`unexpected ID "${id}"`)
  }
}

/** Accepts each of these IDs. */
export function matchOneOf(...expected: readonly SpiffeId[]): SpiffeIdMatcher {
  const strings = new Set(expected.map(String))
  return (id) => {
    if (!strings.has(id.toString())) refuse(`unexpected ID "${id}"`)
  }
}

/** Accepts every ID of this trust domain. */
export function matchMemberOf(trustDomain: TrustDomain): SpiffeIdMatcher {
  return (id) => {
    if (!id.isMemberOf(trustDomain)) refuse(`unexpected trust domain "${id.trustDomain}"`)
  }
}
