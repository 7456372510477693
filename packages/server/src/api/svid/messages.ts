/** Texts of the SVID service that callers and scripts match on. Those of signing itself come from issuance. */
export const messages: {
  readonly missingParameters: string
  readonly missingEntryId: string
  readonly missingCsr: string
  readonly entryNotFound: string
  readonly jwtDisabled: string
  readonly witDisabled: string
  readonly missingPublicKey: string
  readonly malformedPublicKey: string
  readonly invalidPublicKey: string
  readonly invalidAlgorithm: string
  readonly notDownstream: string
  readonly bundleNotFound: string
  readonly x509RateLimit: string
  readonly jwtRateLimit: string
  readonly downstreamRateLimit: string
  readonly invalidSpiffeId: string
} = {
  missingParameters: 'missing parameters',
  missingEntryId: 'missing entry ID',
  missingCsr: 'missing CSR',
  entryNotFound: 'entry not found or not authorized',
  jwtDisabled: 'JWT functionality is disabled',
  witDisabled: 'WIT functionality is disabled',
  missingPublicKey: 'missing public key',
  malformedPublicKey: 'malformed public key',
  invalidPublicKey: 'invalid public key',
  invalidAlgorithm: 'invalid signing algorithm or key type',
  notDownstream: 'caller is not a downstream workload',
  bundleNotFound: 'bundle not found',
  x509RateLimit: 'rejecting request due to certificate signing rate limiting',
  jwtRateLimit: 'rejecting request due to JWT signing request rate limiting',
  downstreamRateLimit: 'rejecting request due to downstream CA signing rate limit',
  invalidSpiffeId: 'invalid SPIFFE ID',
}
