import { escapeGoJson } from '@mini-spire/runtime/go-json'

/** Where a relying party finds what. */
export interface DiscoveryUrls {
  /** As tokens name it in `iss`. */
  readonly issuer: string
  readonly jwksUri: string
}

/** The path of the discovery document below the issuer's [OpenID Connect Discovery 4]. */
export const wellKnownPath = '/.well-known/openid-configuration'
/** The path of the key set below the issuer's. */
export const keysPath = '/keys'

/**
 * The discovery document [OpenID Connect Discovery 3], byte for byte as SPIRE lays it out. Nobody logs in here, so that the members
 * about that say as little as the standard allows.
 */
export function discoveryDocument({ issuer, jwksUri }: DiscoveryUrls): string {
  const document = {
    issuer,
    jwks_uri: jwksUri,
    authorization_endpoint: '',
    response_types_supported: ['id_token'],
    subject_types_supported: ['public'],
    id_token_signing_alg_values_supported: ['RS256', 'ES256', 'ES384'],
  }
  return escapeGoJson(JSON.stringify(document, undefined, 2))
}
