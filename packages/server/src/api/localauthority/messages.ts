/** Texts of the LocalAuthority service that SPIRE's users and scripts see; those that say why are `ca/`'s. */
export const localAuthorityMessages = {
  witUnimplemented: 'WIT-SVID functionality is not yet implemented',
  invalidAuthorityId: 'invalid authority ID',
  upstreamTaintInvalid: 'provided subject key id is not valid',
  upstreamRevokeInvalid: 'invalid subject key ID',
  prepareX509Failed: 'failed to prepare X.509 authority',
  activateX509Failed: 'failed to activate X.509 authority',
  taintX509Failed: 'failed to taint X.509 authority',
  revokeX509Failed: 'failed to revoke X.509 authority',
  taintUpstreamFailed: 'failed to taint upstream authority',
  revokeUpstreamFailed: 'failed to revoke X.509 upstream authority',
  prepareJwtFailed: 'failed to prepare JWT authority',
  activateJwtFailed: 'failed to activate JWT authority',
  taintJwtFailed: 'failed to taint JWT authority',
  revokeJwtFailed: 'failed to revoke JWT authority',
} as const

/** Lines of the log that operators search for. */
export const localAuthorityLogLines = {
  x509Tainted: 'X.509 authority tainted successfully',
  x509Revoked: 'X.509 authority revoked successfully',
  upstreamTainted: 'X.509 upstream authority tainted successfully',
  upstreamRevoked: 'X.509 upstream authority successfully revoked',
  jwtTainted: 'JWT authority tainted successfully',
  jwtRevoked: 'JWT authority revoked successfully',
} as const
