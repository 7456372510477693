/** Texts that workloads and their libraries compare. */
export const messages = {
  headerMissing: 'security header missing from request',
  attestationFailed: 'workload attestation failed',
  noIdentity: 'no identity issued',
  audienceMissing: 'audience must be specified',
  svidMissing: 'svid must be specified',
  witSvidUnimplemented: 'fetching WIT-SVIDs is not implemented',
  witBundlesUnimplemented: 'fetching WIT bundles is not implemented',
  badSpiffeId: (reason: string): string => `invalid requested SPIFFE ID: ${reason}`,
  jwtSvidUnavailable: (reason: string): string => `could not fetch JWT-SVID: ${reason}`,
  rateLimited: (method: string): string => `rate limit exceeded for ${method}`,
} as const
