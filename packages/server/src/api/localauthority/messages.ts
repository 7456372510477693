/** Texts of the LocalAuthority service that SPIRE's users and scripts see. */
export const localAuthorityMessages = {
  witUnimplemented: 'WIT-SVID functionality is not yet implemented',
} as const
