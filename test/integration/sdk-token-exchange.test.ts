import { SpiffeBundle } from '@mini-spire/sdk/bundle'
import { verifyJwtSvid } from '@mini-spire/sdk/jwt-svid'
import { TrustDomain } from '@mini-spire/sdk/spiffe-id'
import { exchangeToken, tokenTypes } from '@mini-spire/sdk/token-exchange'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ExchangingServer } from '../kit/exchanging-server.ts'
import { Scene } from '../kit/processes.ts'

/** The SDK's client of RFC 8693, and our server. */
describe("a CI job with the SDK's exchangeToken", () => {
  const scene = new Scene()
  let exchanging: ExchangingServer

  beforeAll(async () => {
    exchanging = await ExchangingServer.start(scene, { host: 'localhost' })
    exchanging.register('/deploy')
  })
  afterAll(() => scene[Symbol.asyncDispose]())

  const exchange = (subjectToken: string) =>
    exchangeToken({
      url: exchanging.url,
      roots: [exchanging.root],
      subjectToken,
      subjectTokenType: tokenTypes.idToken,
      audience: ['api'],
    })

  it('gets the JWT-SVID of its entry for its token, once', async () => {
    const subjectToken = exchanging.issuer.token()
    const got = await exchange(subjectToken)
    expect(got).toMatchObject({
      issuedTokenType: tokenTypes.jwt,
      tokenType: 'N_A',
      scope: ['spiffe://example.org/deploy'],
    })
    const trustDomain = TrustDomain.parse('example.org')
    const bundle = SpiffeBundle.parse(
      trustDomain,
      exchanging.server.must('bundle', 'show', '-format', 'spiffe'),
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
    await expect(exchange(exchanging.issuer.token({ aud: 'other' }))).rejects.toMatchObject({
      code: 'ERR_EXCHANGE_REFUSED',
    })
  })
})
