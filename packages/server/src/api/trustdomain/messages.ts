import { quoteGo } from '@mini-spire/runtime/go-quote'

/** Texts of the TrustDomain service that SPIRE's users and scripts see. */
export const trustDomainMessages = {
  listFailed: 'failed to list federation relationships',
  invalidTrustDomain: 'failed to parse trust domain',
  notExisting: 'federation relationship does not exist',
  convertFailed: 'failed to convert federation relationship',
  createOwn: 'unable to create federation relationship for server trust domain',
  createFailed: 'failed to create federation relationship',
  updateFailed: 'failed to update federation relationship',
  deleteFailed: 'failed to delete federation relationship',
  missingTrustDomain: 'missing trust domain',
  notFound: 'federation relationship not found',
  refreshFailed: 'failed to refresh bundle',
  invalidUrl: 'failed to parse bundle endpoint URL',
  notHttps: 'bundle endpoint URL must use the https scheme',
  noHost: 'bundle endpoint URL must specify the host',
  hasUserInfo: 'bundle endpoint URL must not contain user info',
  noProfile: 'unsupported bundle endpoint profile type: <nil>',
  invalidEndpointId: 'failed to parse endpoint SPIFFE ID',
  invalidBundle: 'failed to parse bundle',
} as const

/** The answer to a refresh for a trust domain that nothing is fetched from. */
export function noRelationshipMessage(trustDomain: string): string {
  return `no relationship with trust domain ${quoteGo(trustDomain)}`
}

/** The refusal of a bundle that belongs to somebody else. */
export function otherBundleMessage(bundle: string, relationship: string): string {
  return `trust domain bundle (${quoteGo(bundle)}) must match the trust domain of the federation relationship (${quoteGo(relationship)})`
}
