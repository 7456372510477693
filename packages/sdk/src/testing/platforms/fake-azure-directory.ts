import type { RequestListener } from 'node:http'
import type { FakeAzureMachine } from './fake-azure-machine.ts'
import type { TokenIssuer } from './test-token.ts'

const host = 'https://login.microsoftonline.com'
/** What {@link answerDirectory} gives for an application's secret; the management API wants to see it. */
export const managementToken = 'management-token'

/**
 * Microsoft's directory, for the tenant of one machine: configurations, the key that signs tokens of managed identities,
 * and access tokens for applications.
 */
export function answerDirectory(
  { tenantId, domain }: FakeAzureMachine,
  { keyId, publicKey }: TokenIssuer,
): RequestListener {
  const key = publicKey.export({ format: 'jwk' })
  const issuer = `https://sts.windows.net/${tenantId}/`
  const tenant = `${host}/${tenantId}`
  const configuration = {
    issuer: `${tenant}/v2.0`,
    authorization_endpoint: `${tenant}/oauth2/v2.0/authorize`,
    token_endpoint: `${tenant}/oauth2/v2.0/token`,
    jwks_uri: `${host}/common/discovery/keys`,
  }
  const name = 'login.microsoftonline.com'
  const pages: Readonly<Record<string, object>> = {
    '/common/.well-known/openid-configuration': configuration,
    '/common/discovery/keys': { keys: [{ ...key, kid: keyId, use: 'sig' }] },
    '/common/discovery/instance': {
      tenant_discovery_endpoint: `${tenant}/v2.0/.well-known/openid-configuration`,
      'api-version': '1.1',
      metadata: [{ preferred_network: name, preferred_cache: name, aliases: [name] }],
    },
    [`/${domain}/.well-known/openid-configuration`]: { ...configuration, issuer },
    [`/${tenantId}/v2.0/.well-known/openid-configuration`]: configuration,
    [`/${tenantId}/oauth2/v2.0/token`]: {
      token_type: 'Bearer',
      expires_in: 3600,
      ext_expires_in: 3600,
      access_token: managementToken,
    },
  }
  return (request, response) => {
    const page = pages[new URL(request.url ?? '/', host).pathname]
    if (page) response.setHeader('content-type', 'application/json').end(JSON.stringify(page))
    else response.writeHead(404).end()
  }
}
