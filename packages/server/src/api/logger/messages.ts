/** Texts of the Logger service that SPIRE's users and scripts see. */
export const loggerMessages = {
  unspecified: 'newLevel value cannot be LogLevel_UNSPECIFIED',
  unsupported: 'unsupported log level',
} as const
