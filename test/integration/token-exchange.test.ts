import { generateKeyPairSync } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { buildCsr } from '@mini-spire/runtime/x509/csr'
import { SpiffeBundle } from '@mini-spire/sdk/bundle'
import { verifyJwtSvid } from '@mini-spire/sdk/jwt-svid'
import { TrustDomain } from '@mini-spire/sdk/spiffe-id'
import { parseCertificate, pemDecode, pemEncode } from '@mini-spire/sdk/x509'
import { verifyX509Svid } from '@mini-spire/sdk/x509-svid'
import { wrongTokens } from '@mini-spire/server/exchange/wrong-tokens.test-kit'
import { tokenTypes } from '@mini-spire/server/token-endpoint/token-request'
import { describe, expect, it } from 'vitest'
import { ExchangingServer } from '../kit/exchanging-server.ts'
import { freePort, ours, runProgram, Scene } from '../kit/processes.ts'
import { root } from '../kit/repository.ts'
import { scrape } from '../kit/scrapes.ts'

const trustDomain = TrustDomain.parse('example.org')

function bundleOf({ server }: ExchangingServer): SpiffeBundle {
  return SpiffeBundle.parse(trustDomain, server.must('bundle', 'show', '-format', 'spiffe'))
}

/** The audit lines of exchanges. */
function auditLines({ server }: ExchangingServer): readonly string[] {
  return server.daemon.output
    .split('\n')
    .filter((line) => line.includes('type=audit') && line.includes('method=ExchangeToken'))
}

describe('a server that exchanges tokens', () => {
  it('gives a job without an agent the identity of its entry, once for a token', async () => {
    await using scene = new Scene()
    const ci = await ExchangingServer.start(scene)
    ci.register('/deploy', '-jwtSVIDTTL', '120')
    const token = ci.issuer.token()
    const { status, body } = await ci.exchange(token)
    expect([status, body['scope']]).toEqual([200, 'spiffe://example.org/deploy'])
    const svid = verifyJwtSvid(body['access_token'] ?? '', {
      audience: 'api',
      bundles: bundleOf(ci).jwt,
      now: new Date(),
    })
    expect(String(svid.spiffeId)).toBe('spiffe://example.org/deploy')
    expect((await ci.exchange(token)).body['error']).toBe('invalid_request')

    await ci.server.daemon.stop()
    await ci.server.restart()
    const again = await ci.exchange(token)
    expect([again.status, again.body['error_description']]).toEqual([
      400,
      'the subject token has been exchanged before',
    ])
    expect((await ci.exchange(ci.issuer.token())).status).toBe(200)
  })

  it('gives an X509-SVID for a key that the job proves to have', async () => {
    await using scene = new Scene()
    const ci = await ExchangingServer.start(scene)
    ci.register('/deploy', '-x509SVIDTTL', '300', '-dns', 'deploy.test')
    const { privateKey: key } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    const csr = pemEncode('CERTIFICATE REQUEST', await buildCsr({ key, dnsNames: ['evil.test'] }))
    const { status, body } = await ci.exchange(ci.issuer.token(), {
      requested_token_type: tokenTypes.x509Svid,
      audience: '',
      csr,
    })
    expect(status).toBe(200)
    const chain = pemDecode(body['access_token'] ?? '', 'CERTIFICATE')
    const id = await verifyX509Svid(chain, bundleOf(ci).x509, { now: new Date() })
    expect(String(id)).toBe('spiffe://example.org/deploy')
    const leaf = parseCertificate(chain[0] ?? Buffer.of())
    expect(leaf.names.dnsNames).toEqual(['deploy.test'])
    expect(body['x509_bundle']).toBe(ci.server.must('bundle', 'show'))
  })

  it('gives one answer to thirty who show one token at once [gate 4]', async () => {
    await using scene = new Scene()
    const ci = await ExchangingServer.start(scene)
    ci.register('/deploy')
    const token = ci.issuer.token()
    const answers = await Promise.all(Array.from({ length: 30 }, () => ci.exchange(token)))
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1)
    expect(answers.filter(({ status }) => status === 400)).toHaveLength(29)
  })

  it('refuses every wrong token, writes each down, and never the token', async () => {
    await using scene = new Scene()
    const ci = await ExchangingServer.start(scene, {
      settings: 'log_level = "TRACE"',
    })
    ci.register('/deploy')
    const { issuer } = ci
    const shown: string[] = []
    for (const { title, make } of wrongTokens) {
      const token = make(issuer.mint, issuer.now)
      const { status, body } = await ci.exchange(token)
      const isLong = token.length > 48 * 1024
      expect({ title, status, error: body['error'] }).toEqual({
        title,
        status: isLong ? 413 : 400,
        error: 'invalid_request',
      })
      shown.push(token)
    }
    const refused = (): number =>
      auditLines(ci).filter((line) => line.includes('status=error')).length
    const all = wrongTokens.length
    await ci.server.daemon.waitUntil(() => refused() >= all, 30_000, `${all} audit lines`)
    expect(refused()).toBe(all)
    const good = issuer.token()
    expect((await ci.exchange(good)).status).toBe(200)
    expect(auditLines(ci).at(-1)).toMatch(
      /registration_id=.* status=success .*token_hash=[\da-f]{64}/,
    )
    const { output } = ci.server.daemon
    for (const token of [...shown, good]) {
      for (const part of token.split('.').filter((one) => one.length > 16))
        expect(output.includes(part)).toBe(false)
    }
  })

  it('asks which of several identities is meant', async () => {
    await using scene = new Scene()
    const ci = await ExchangingServer.start(scene)
    ci.register('/one')
    ci.register('/two')
    const token = ci.issuer.token()
    expect((await ci.exchange(token)).body['error']).toBe('invalid_scope')
    const named = await ci.exchange(token, { scope: 'spiffe://example.org/two' })
    expect([named.status, named.body['scope']]).toEqual([200, 'spiffe://example.org/two'])
    const other = await ci.exchange(ci.issuer.token(), { scope: 'spiffe://example.org/three' })
    expect(other.body['error']).toBe('invalid_scope')
  })

  it('counts what it exchanges and refuses', async () => {
    await using scene = new Scene()
    const metrics = await freePort()
    const ci = await ExchangingServer.start(scene, {
      blocks: `telemetry { Prometheus { host = "127.0.0.1" port = ${metrics} } }`,
    })
    ci.register('/deploy')
    await ci.exchange(ci.issuer.token())
    await ci.exchange(ci.issuer.token({ aud: 'other' }))
    await ci.exchange('x')
    const body = await scrape(metrics)
    const count = (labels: RegExp): string | undefined =>
      body
        .split('\n')
        .find((line) => line.startsWith('spire_server_token_exchange{') && labels.test(line))
    expect(count(/status="OK".*token_issuer="ci"/)).toMatch(/ 1$/)
    expect(count(/status="Unauthenticated".*token_issuer="ci"/)).toMatch(/ 1$/)
    expect(count(/status="InvalidArgument"/)).toMatch(/ 1$/)
    expect(body).not.toContain('octo/app')
  })

  it('exchanges nothing while the keys of the issuer cannot be had', async () => {
    await using scene = new Scene()
    const ci = await ExchangingServer.start(scene)
    ci.register('/deploy')
    ci.issuer.stop()
    const { status, body } = await ci.exchange(ci.issuer.token())
    expect([status, body['error']]).toEqual([503, 'temporarily_unavailable'])
    await ci.server.daemon.waitFor('Failed to fetch keys of token issuer')
  })

  it('exchanges nothing that its policy does not allow', async () => {
    await using scene = new Scene()
    const files = ['policy.tar.gz', 'data.json'].map((name) =>
      join(root, 'test/vectors/policy', name),
    )
    const keys = `rego_path = "${files[0]}" policy_data_path = "${files[1]}"`
    const ci = await ExchangingServer.start(scene, {
      settings: `experimental { auth_opa_policy_engine { local { ${keys} } } }`,
    })
    ci.register('/deploy')
    const { status, body } = await ci.exchange(ci.issuer.token())
    expect([status, body['error']]).toEqual([400, 'unauthorized_client'])
  })

  it('is refused by validate where a rule is misspelt', async () => {
    await using scene = new Scene()
    const ci = await ExchangingServer.start(scene)
    const valid = runProgram(ours.server, ['validate', '-config', ci.server.config])
    expect(valid.stdout).toBe('SPIRE server configuration file is valid.\n')
    const misspelt = scene.path('misspelt.conf')
    writeFileSync(misspelt, readFileSync(ci.server.config, 'utf8').replace('glob =', 'glub ='))
    const refused = runProgram(ours.server, ['validate', '-config', misspelt])
    expect([refused.status, refused.stderr]).toEqual([
      1,
      expect.stringContaining('claim repository: unknown key "glub"'),
    ])
  })
})
