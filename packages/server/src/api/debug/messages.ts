/** Texts of the Debug service that SPIRE's users and scripts see. */
export const debugMessages = {
  noBundle: 'trust domain bundle not found',
  bundleUnreadable: 'failed to parse bundle',
  notVerified: 'failed verification against bundle',
} as const
