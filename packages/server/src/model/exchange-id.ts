import { SpiffeId, type TrustDomain } from '@mini-spire/sdk/spiffe-id'

const segments = ['spire', 'exchange'] as const
const prefix = `/${segments.join('/')}`

/**
 * What stands for an issuer of tokens that are exchanged: the parent of the entries that its tokens may select. Nobody ever
 * gets it as an identity.
 */
export function exchangeId(trustDomain: TrustDomain, issuerName: string): SpiffeId {
  return SpiffeId.fromSegments(trustDomain, ...segments, issuerName)
}

/** Whether an ID stands for an issuer, or would, if there was one of that name. `/spire/exchanged` does not. */
export function isExchangeId(id: SpiffeId): boolean {
  return id.path === prefix || id.path.startsWith(`${prefix}/`)
}
