import { createPublicKey, verify } from 'node:crypto'
import { statSync, writeFileSync } from 'node:fs'
import { request as httpRequest } from 'node:http'
import { text } from 'node:stream/consumers'
import { systemClock } from '@mini-spire/runtime/clock'
import { createClient, openUnixChannel } from '@mini-spire/runtime/grpc/client'
import { issue } from '@mini-spire/runtime/http/http.test-kit'
import { HttpClient } from '@mini-spire/runtime/http/http-client'
import { LocalAuthorityService } from '@mini-spire/runtime/proto/spire/api/server/localauthority/v1/localauthority'
import { describe, expect, it } from 'vitest'
import { type DeploymentOptions, ServerDeployment } from '../kit/deployment.ts'
import { freePort, ours, Scene } from '../kit/processes.ts'

interface Jwk {
  readonly kid: string
  readonly kty: string
}

/** A server that serves discovery over HTTPS under https://localhost:<port>. */
async function startIssuer(scene: Scene, options: DeploymentOptions = {}) {
  const { cert, key, root } = await issue('localhost')
  writeFileSync(scene.path('cert.pem'), cert)
  writeFileSync(scene.path('cert.key'), key)
  const port = await freePort()
  const issuer = `https://localhost:${port}`
  const server = await ServerDeployment.start(scene, {
    ...options,
    settings: `jwt_issuer = "${issuer}"
    oidc_discovery {
      address = "127.0.0.1" port = ${port}
      serving_cert_file { cert_file_path = "${scene.path('cert.pem')}" key_file_path = "${scene.path('cert.key')}" }
    }
    ${options.settings ?? ''}`,
  })
  const http = new HttpClient({ environment: {}, clock: systemClock })
  const get = async (path: string, headers: Readonly<Record<string, string>> = {}) => {
    const { status, body } = await http.request({ url: `${issuer}${path}`, roots: [root], headers })
    return { status, body: Buffer.from(body).toString() }
  }
  const keys = async (): Promise<readonly Jwk[]> => JSON.parse((await get('/keys')).body).keys
  const mint = (): string =>
    server.must('jwt', 'mint', '-spiffeID', 'spiffe://example.org/x', '-audience', 'cloud').trim()
  return { server, issuer, get, keys, mint }
}

function headerOf(token: string): { readonly kid: string } {
  return JSON.parse(Buffer.from(token.split('.')[0] ?? '', 'base64url').toString())
}

/** Whether one of the keys verifies the token: by its ID, as relying parties look it up. */
function isVerified(token: string, keys: readonly Jwk[]): boolean {
  const [header, payload, signature = ''] = token.split('.')
  const found = keys.filter(({ kid }) => kid === headerOf(token).kid)
  if (found.length !== 1 || !found[0]) return false
  const key = createPublicKey({ key: { ...found[0] }, format: 'jwk' })
  const signed = Buffer.from(`${header}.${payload}`)
  const bytes = Buffer.from(signature, 'base64url')
  return verify('sha256', signed, { key, dsaEncoding: 'ieee-p1363' }, bytes)
}

describe('OIDC discovery in the server', () => {
  it('names the issuer of its tokens and the keys that verify them, whoever asks', async () => {
    await using scene = new Scene()
    const { issuer, get, keys, mint } = await startIssuer(scene)
    const { status, body } = await get('/.well-known/openid-configuration', {
      'x-forwarded-host': 'evil.test',
      'x-forwarded-proto': 'http',
    })
    expect(status).toBe(200)
    expect(JSON.parse(body)).toMatchObject({ issuer, jwks_uri: `${issuer}/keys` })
    const token = mint()
    expect(
      JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString()),
    ).toMatchObject({
      iss: issuer,
    })
    expect(isVerified(token, await keys())).toBe(true)
  })

  it('answers nobody who asks for another host', async () => {
    await using scene = new Scene()
    const { get } = await startIssuer(scene)
    for (const path of ['/.well-known/openid-configuration', '/keys']) {
      for (const host of ['evil.test', 'localhost.', '127.0.0.1', 'LOCALHOST', 'localhost:x']) {
        expect((await get(path, { host })).status).toBe(400)
      }
      expect((await get(path, { host: 'localhost:1' })).status).toBe(200)
    }
  })

  it('shows a prepared key before it signs, an old one while its tokens live, and a revoked one never', async () => {
    await using scene = new Scene()
    const { server, keys, mint } = await startIssuer(scene)
    const kids = async (): Promise<readonly string[]> => (await keys()).map(({ kid }) => kid)
    const show = (): Record<string, { authority_id: string } | undefined> =>
      JSON.parse(server.must('localauthority', 'jwt', 'show', '-output', 'json'))
    const token = mint()
    const first = headerOf(token).kid
    expect(await kids()).toEqual([first])
    server.must('localauthority', 'jwt', 'prepare')
    const prepared = show()['prepared']?.authority_id ?? ''
    expect(await kids()).toEqual([first, prepared])
    server.must('localauthority', 'jwt', 'activate', '-authorityID', prepared)
    expect(headerOf(mint()).kid).toBe(prepared)
    expect(isVerified(token, await keys())).toBe(true)
    server.must('localauthority', 'jwt', 'taint', '-authorityID', first)
    server.must('localauthority', 'jwt', 'revoke', '-authorityID', first)
    expect(await kids()).toEqual([prepared])
  })

  it('keeps its keys and their IDs when the server is killed, again and again', async () => {
    await using scene = new Scene()
    const { server, get, keys, mint } = await startIssuer(scene)
    const token = mint()
    const before = (await get('/keys')).body
    for (let crash = 0; crash < 3; crash++) {
      await server.daemon.stop('SIGKILL')
      await server.restart()
      expect((await get('/keys')).body).toBe(before)
    }
    expect(headerOf(mint()).kid).toBe(headerOf(token).kid)
    expect(isVerified(token, await keys())).toBe(true)
  })

  it('never shows as many keys as a cloud refuses, though each start makes one and loses the last', async () => {
    await using scene = new Scene()
    const { server, keys, mint } = await startIssuer(scene, {
      plugins: `
    DataStore "sql" { plugin_data { database_type = "sqlite3" connection_string = "x" } }
    KeyManager "memory" { plugin_data {} }
    NodeAttestor "join_token" { plugin_data {} }`,
    })
    // Rotations fill the bundle faster than crashes do.
    using channel = openUnixChannel(server.socket)
    const authorities = createClient(LocalAuthorityService, channel)
    for (let rotation = 0; rotation < 97; rotation++) {
      const { preparedAuthority } = await authorities.prepareJwtAuthority({})
      const authorityId = preparedAuthority?.authorityId ?? ''
      await authorities.activateJwtAuthority({ authorityId })
    }
    let last = mint()
    for (let crash = 0; crash < 4; crash++) {
      await server.daemon.stop('SIGKILL')
      await server.restart()
      const token = mint()
      const shown = await keys()
      expect(shown.length).toBeLessThan(100)
      expect(isVerified(token, shown)).toBe(true)
      expect(isVerified(last, shown)).toBe(true)
      last = token
    }
    expect((await keys()).length).toBe(99)
    const bundle = JSON.parse(server.must('bundle', 'show', '-format', 'spiffe'))
    expect(
      bundle.keys.filter(({ use }: { use: string }) => use === 'jwt-svid').length,
    ).toBeGreaterThan(99)
  })

  it('is served to a proxy on a socket file', async () => {
    await using scene = new Scene()
    const socketPath = scene.path('oidc.sock')
    await ServerDeployment.start(scene, {
      settings: `jwt_issuer = "https://oidc.test/tenant"
      oidc_discovery { listen_socket_path = "${socketPath}" }`,
    })
    expect(statSync(socketPath).mode & 0o777).toBe(0o777)
    const path = '/tenant/.well-known/openid-configuration'
    const body = await new Promise<string>((resolve, reject) => {
      const sent = httpRequest({ socketPath, path, headers: { host: 'oidc.test' } }, (response) => {
        text(response).then(resolve, reject)
      })
      sent.once('error', reject)
      sent.end()
    })
    expect(JSON.parse(body)).toMatchObject({
      issuer: 'https://oidc.test/tenant',
      jwks_uri: 'https://oidc.test/tenant/keys',
    })
  })

  it('keeps the server from starting when it cannot be served', async () => {
    await using scene = new Scene()
    const server = await ServerDeployment.prepare(scene, {
      settings: `jwt_issuer = "https://oidc.test"
      oidc_discovery { listen_socket_path = "${scene.path('nowhere', 'oidc.sock')}" }`,
    })
    const daemon = scene.start(ours.server, ['run', '-config', server.config])
    expect(await daemon.ended).toBe(1)
    expect(daemon.output).toContain('bind: no such file or directory')
  })
})
