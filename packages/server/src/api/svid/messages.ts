/** Texts of the SVID service that callers and scripts match on. Those of signing itself come from issuance. */
export const messages: {
  readonly missingParameters: string
  readonly missingEntryId: string
  readonly missingCsr: string
  readonly entryNotFound: string
  readonly jwtDisabled: string
  readonly witDisabled: string
  readonly missingPublicKey: string
  readonly witKeyUnavailable: string
  readonly notDownstream: string
  readonly bundleNotFound: string
  readonly invalidSpiffeId: string
} = {
  missingParameters: 'missing parameters',
  missingEntryId: 'missing entry ID',
  missingCsr: 'missing CSR',
  entryNotFound: 'entry not found or not authorized',
  jwtDisabled: 'JWT functionality is disabled',
  witDisabled: 'WIT functionality is disabled',
  missingPublicKey: 'missing public key',
  witKeyUnavailable: 'failed to sign WIT-SVID: WIT key is not available for signing',
  notDownstream: 'caller is not a downstream workload',
  bundleNotFound: 'bundle not found',
  invalidSpiffeId: 'invalid SPIFFE ID',
}
