// A relying party with published libraries: finds an issuer's keys through discovery and verifies a token by them.
// Arguments: issuer, audience, token. Roots come from NODE_EXTRA_CA_CERTS, as they would in production.
import { createRemoteJWKSet, jwtVerify } from 'jose'
import { discovery } from 'openid-client'

const [issuer, audience, token] = process.argv.slice(2)
try {
  const client = await discovery(new URL(issuer), 'relying-party')
  const { jwks_uri: keysUrl, issuer: discovered } = client.serverMetadata()
  const keys = createRemoteJWKSet(new URL(keysUrl))
  const { payload, protectedHeader } = await jwtVerify(token, keys, {
    issuer: discovered,
    audience,
    algorithms: ['RS256', 'ES256', 'ES384'],
  })
  console.log(JSON.stringify({ subject: payload.sub, kid: protectedHeader.kid }))
} catch (error) {
  console.log(JSON.stringify({ code: error.code ?? error.name, cause: error.cause?.code }))
}
