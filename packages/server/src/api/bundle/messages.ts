/** Texts of the Bundle service that SPIRE's users and scripts see. */
export const bundleMessages = {
  notFound: 'bundle not found',
  nothingToAppend: 'no authorities to append',
  jwtConvertFailed: 'failed to convert JWT authority',
  x509ConvertFailed: 'failed to convert X.509 authority',
  appendFailed: 'failed to append bundle',
  missingJwtAuthority: 'missing JWT authority',
  invalidJwtAuthority: 'invalid JWT authority',
  publishLimited: 'rejecting request due to key publishing rate limiting',
  publishFailed: 'failed to publish JWT key',
  witUnimplemented: 'WIT-SVID functionality is not yet implemented',
  listFailed: 'failed to list bundles',
  invalidTrustDomain: 'trust domain argument is not valid',
  convertFailed: 'failed to convert bundle',
  exists: 'bundle already exists',
  createFailed: 'unable to create bundle',
  updateFailed: 'failed to update bundle',
  setFailed: 'failed to set bundle',
  deleteFailed: 'failed to delete federated bundle',
  deleteOwn: 'removing the bundle for the server trust domain is not allowed',
  unknownMode: 'failed to parse deletion mode',
  missingKeyId: 'missing key ID',
  x509Unreadable: 'unable to parse X.509 authority',
  jwtUnreadable: 'unable to parse JWT authority',
} as const

/** The refusal to treat the server's own trust domain as a foreign one. */
export function ownTrustDomainMessage(
  doing: 'getting' | 'creating' | 'updating' | 'setting',
): string {
  return `${doing} a federated bundle for the server's own trust domain is not allowed`
}
