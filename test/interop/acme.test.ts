import { readdirSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs'
import { connect } from 'node:tls'
import { systemClock } from '@mini-spire/runtime/clock'
import { HttpClient } from '@mini-spire/runtime/http/http-client'
import { describe, expect, it } from 'vitest'
import { ServerDeployment } from '../kit/deployment.ts'
import { startPebble } from '../kit/pebble.ts'
import { isGoMissing } from '../kit/peers.ts'
import { freePort, ours, Scene } from '../kit/processes.ts'

describe.skipIf(isGoMissing())('a certificate by ACME', () => {
  it('is ordered at start, shown, kept, and not ordered again [RFC 8555, RFC 8737]', async () => {
    await using scene = new Scene()
    const port = await freePort()
    const pebble = await startPebble(scene, port)
    writeFileSync(scene.path('roots.pem'), pebble.apiRoot)
    const server = await ServerDeployment.start(scene, {
      env: { ...process.env, SSL_CERT_FILE: scene.path('roots.pem'), SSL_CERT_DIR: '/nowhere' },
      settings: `federation { bundle_endpoint { address = "127.0.0.1" port = ${port}
        profile "https_web" { acme {
          directory_url = "${pebble.directoryUrl}" domain_name = "localhost" email = "ops@example.org" tos_accepted = true
        } }
      } }`,
    })
    await server.daemon.waitFor('Certificate obtained', { timeoutMs: 60_000 })
    const http = new HttpClient({ environment: {}, clock: systemClock })
    const url = `https://localhost:${port}/`
    const ask = () => http.request({ url, roots: [pebble.issuingRoot] })
    const { status, body } = await ask()
    expect(status).toBe(200)
    expect(JSON.parse(Buffer.from(body).toString())).toMatchObject({ spiffe_refresh_hint: 300 })

    const cache = scene.path('server', 'bundle-acme')
    expect(readdirSync(cache).sort()).toEqual(['acme_account.key', 'localhost.pem'])
    for (const name of readdirSync(cache)) {
      expect(statSync(`${cache}/${name}`).mode & 0o777).toBe(0o600)
    }
    const kept = readFileSync(`${cache}/localhost.pem`, 'utf8')
    await server.daemon.stop('SIGTERM')
    await server.restart()
    expect((await ask()).status).toBe(200)
    expect(readFileSync(`${cache}/localhost.pem`, 'utf8')).toBe(kept)
    expect(server.daemon.output).not.toContain('Certificate obtained')
  })

  it('that is refused is said in the log, and nothing is served until there is one', async () => {
    await using scene = new Scene()
    const port = await freePort()
    const pebble = await startPebble(scene, port)
    writeFileSync(scene.path('roots.pem'), pebble.apiRoot)
    const server = await ServerDeployment.start(scene, {
      env: { ...process.env, SSL_CERT_FILE: scene.path('roots.pem'), SSL_CERT_DIR: '/nowhere' },
      settings: `federation { bundle_endpoint { address = "127.0.0.1" port = ${port}
        profile "https_web" { acme { directory_url = "${pebble.directoryUrl}" domain_name = "localhost" } }
      } }`,
    })
    await server.daemon.waitFor('Failed to get a certificate', { timeoutMs: 60_000 })
    expect(server.daemon.output).toContain('ACME Terms of Service have not been accepted')
    const http = new HttpClient({ environment: {}, clock: systemClock })
    const asked = http.request({ url: `https://localhost:${port}/`, roots: [pebble.issuingRoot] })
    await expect(asked).rejects.toMatchObject({ code: 'ERR_HTTP_UNREACHABLE' })
  })

  it('is ordered for each name of OIDC discovery, and one that cannot be proven spoils no other', async () => {
    await using scene = new Scene()
    const port = await freePort()
    const pebble = await startPebble(scene, port)
    writeFileSync(scene.path('roots.pem'), pebble.apiRoot)
    const server = await ServerDeployment.start(scene, {
      env: { ...process.env, SSL_CERT_FILE: scene.path('roots.pem'), SSL_CERT_DIR: '/nowhere' },
      settings: `jwt_issuer = "https://localhost:${port}"
      oidc_discovery { address = "127.0.0.1" port = ${port} domains = ["oidc.localhost", "oidc.invalid"]
        acme { directory_url = "${pebble.directoryUrl}" email = "ops@example.org" tos_accepted = true }
      }`,
    })
    await server.daemon.waitFor('no certificate for oidc.invalid', { timeoutMs: 60_000 })
    await server.daemon.waitFor('Certificate obtained', { times: 2, timeoutMs: 60_000 })
    const shown = (servername: string): Promise<string | undefined> =>
      new Promise((resolve, reject) => {
        const socket = connect({ port, host: '127.0.0.1', servername, ca: [pebble.issuingRoot] })
        socket.once('error', reject)
        socket.once('secureConnect', () => {
          resolve(socket.getPeerX509Certificate()?.subjectAltName)
          socket.destroy()
        })
      })
    expect(await shown('localhost')).toBe('DNS:localhost')
    expect(await shown('oidc.localhost')).toBe('DNS:oidc.localhost')
    await expect(shown('oidc.invalid')).rejects.toThrow()
    await expect(shown('evil.localhost')).rejects.toThrow()
    const cache = readdirSync(scene.path('server', 'oidc-acme'))
    expect(cache.sort()).toEqual(['acme_account.key', 'localhost.pem', 'oidc.localhost.pem'])
    expect(server.daemon.output).not.toContain('MaxListenersExceededWarning')
  })

  it('is ordered by the OIDC provider program, kept where SPIRE keeps it, and not ordered again', async () => {
    await using scene = new Scene()
    const port = await freePort()
    const pebble = await startPebble(scene, port)
    writeFileSync(scene.path('roots.pem'), pebble.apiRoot)
    const cache = scene.path('acme-cache')
    writeFileSync(
      scene.path('oidc.conf'),
      `domains = ["localhost"]
      file { path = "/nowhere" }
      acme { directory_url = "${pebble.directoryUrl}" email = "ops@example.org" tos_accepted = true
        cache_dir = "${cache}" addr = "127.0.0.1:${port}" }`,
    )
    const env = { ...process.env, SSL_CERT_FILE: scene.path('roots.pem'), SSL_CERT_DIR: '/nowhere' }
    const args = ['-config', scene.path('oidc.conf')]
    const http = new HttpClient({ environment: {}, clock: systemClock })
    const url = `https://localhost:${port}/.well-known/openid-configuration`
    for (const isFirst of [true, false]) {
      const provider = scene.start(ours.oidcProvider, args, { env })
      await provider.waitFor('Serving HTTPS via ACME')
      if (isFirst) {
        await provider.waitFor('Certificate obtained', { timeoutMs: 60_000 })
        // As SPIRE's program has left them.
        renameSync(`${cache}/localhost.pem`, `${cache}/localhost`)
        renameSync(`${cache}/acme_account.key`, `${cache}/acme_account+key`)
      }
      expect((await http.request({ url, roots: [pebble.issuingRoot] })).status).toBe(200)
      expect(await provider.stop()).toBe(1)
      if (!isFirst) expect(provider.output).not.toContain('Certificate obtained')
    }
  })
})
