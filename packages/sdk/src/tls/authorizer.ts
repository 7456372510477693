import {
  matchAny,
  matchId,
  matchMemberOf,
  matchOneOf,
  type SpiffeId,
  type SpiffeIdMatcher,
  type TrustDomain,
} from '../spiffe-id/index.ts'

/** Lets a peer in, whose ID has been verified, by returning; refuses it by throwing. */
export type Authorizer = SpiffeIdMatcher

/** Lets in every peer that any of the bundles vouches for. */
export function authorizeAny(): Authorizer {
  return matchAny()
}

/** Lets in exactly this ID. */
export function authorizeId(id: SpiffeId): Authorizer {
  return matchId(id)
}

/** Lets in each of these IDs. */
export function authorizeOneOf(...ids: readonly SpiffeId[]): Authorizer {
  return matchOneOf(...ids)
}

/** Lets in every ID of this trust domain. */
export function authorizeMemberOf(trustDomain: TrustDomain): Authorizer {
  return matchMemberOf(trustDomain)
}
