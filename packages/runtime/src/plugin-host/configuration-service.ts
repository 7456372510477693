/** The full name of the service by which plugins are configured. */
export const configurationService = 'spire.service.common.config.v1.Config'
