/** Texts of the Health service that clients see. */
export const healthMessages = { perService: 'per-service health is not supported' } as const
