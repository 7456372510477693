import { writeFileSync } from 'node:fs'
import { issue, type NamedCertificate } from '@mini-spire/runtime/http/http.test-kit'
import { SpiffeBundle } from '@mini-spire/sdk/bundle'
import { verifyJwtSvid } from '@mini-spire/sdk/jwt-svid'
import { TrustDomain } from '@mini-spire/sdk/spiffe-id'
import { exchangeToken, tokenTypes } from '@mini-spire/sdk/token-exchange'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ServerDeployment } from '../kit/deployment.ts'
import { FakeOidcIssuer } from '../kit/fake-oidc-issuer.ts'
import { freePort, Scene } from '../kit/processes.ts'

/** The SDK's client of RFC 8693, and our server. */
describe("a CI job with the SDK's exchangeToken", () => {
  const scene = new Scene()
  let server: ServerDeployment
  let issuer: FakeOidcIssuer
  let tls: NamedCertificate
  let url: string

  beforeAll(async () => {
    issuer = await FakeOidcIssuer.start(scene)
    tls = await issue('localhost')
    const port = await freePort()
    url = `https://localhost:${port}/token`
    const [cert, key] = [scene.path('exchange.pem'), scene.path('exchange.key')]
    writeFileSync(cert, tls.cert)
    writeFileSync(key, tls.key, { mode: 0o600 })
    const files = `cert_file_path = "${cert}" key_file_path = "${key}" file_sync_interval = "1h"`
    const settings = `token_exchange {
      address = "127.0.0.1"
      port = ${port}
      profile { https_web { serving_cert_file { ${files} } } }
      issuer "ci" {
        issuer_url = "${issuer.mint.url}"
        ca_file = "${issuer.caFile}"
        audience = ["spiffe-exchange"]
        claim "repository" { glob = "octo/app" }
        selectors { repository = "repository" }
      }
    }`
    server = await ServerDeployment.start(scene, { settings })
    const parent = ['-parentID', 'spiffe://example.org/spire/exchange/ci']
    const entry = ['-spiffeID', 'spiffe://example.org/deploy']
    server.must('entry', 'create', ...parent, ...entry, '-selector', 'ci:repository:octo/app')
  })
  afterAll(() => scene[Symbol.asyncDispose]())

  const exchange = (subjectToken: string) =>
    exchangeToken({
      url,
      roots: [tls.root],
      subjectToken,
      subjectTokenType: tokenTypes.idToken,
      audience: ['api'],
    })

  it('gets the JWT-SVID of its entry for its token, once', async () => {
    const subjectToken = issuer.token()
    const got = await exchange(subjectToken)
    expect(got).toMatchObject({
      issuedTokenType: tokenTypes.jwt,
      tokenType: 'N_A',
      scope: ['spiffe://example.org/deploy'],
    })
    const trustDomain = TrustDomain.parse('example.org')
    const bundle = SpiffeBundle.parse(
      trustDomain,
      server.must('bundle', 'show', '-format', 'spiffe'),
    )
    const options = { audience: 'api', bundles: bundle.jwt, now: new Date() }
    const svid = verifyJwtSvid(got.token, options)
    expect(String(svid.spiffeId)).toBe('spiffe://example.org/deploy')
    expect(Math.abs(Number(got.expiresAt) - svid.expiresAt.getTime())).toBeLessThan(5000)
    await expect(exchange(subjectToken)).rejects.toMatchObject({
      code: 'ERR_EXCHANGE_REFUSED',
      message: 'the token endpoint answers 400 (invalid_request)',
    })
  })

  it('gets nothing for a token that is for others', async () => {
    await expect(exchange(issuer.token({ aud: 'other' }))).rejects.toMatchObject({
      code: 'ERR_EXCHANGE_REFUSED',
    })
  })
})
