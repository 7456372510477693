import { renameSync, writeFileSync } from 'node:fs'
import { systemClock } from '@mini-spire/runtime/clock'
import { issue } from '@mini-spire/runtime/http/http.test-kit'
import { HttpClient } from '@mini-spire/runtime/http/http-client'
import { TestCa } from '@mini-spire/sdk/testing'
import { describe, expect, it } from 'vitest'
import { AgentDeployment, ServerDeployment } from '../kit/deployment.ts'
import { OidcProviderDeployment } from '../kit/oidc-provider.ts'
import { followKeys } from '../kit/oidc-provider-scenarios.ts'
import { freePort, ours, Scene } from '../kit/processes.ts'

const program = ours.oidcProvider

describe('the OIDC provider', () => {
  it.each(['server', 'agent'] as const)(
    'follows the keys of a server that it asks by way of the %s',
    async (way) => {
      await followKeys({ provider: program, server: ours.server, agent: ours.agent, way })
    },
  )

  it('shows what a file says, and what it said last when it says nothing any more', async () => {
    await using scene = new Scene()
    const file = scene.path('bundle.json')
    const provider = await OidcProviderDeployment.start(scene, {
      program,
      source: `file { path = "${file}" poll_interval = "50ms" }`,
    })
    await provider.daemon.waitFor('Failed to load SPIFFE trust bundle')
    expect(await provider.get('/keys')).toMatchObject({
      status: 500,
      body: 'document not available\n',
    })
    expect([await provider.health('/ready'), await provider.health('/live')]).toEqual([500, 200])
    const [one, other] = [TestCa.create('example.org'), TestCa.create('example.org')]
    const write = (content: string): void => {
      writeFileSync(`${file}.new`, content)
      renameSync(`${file}.new`, file)
    }
    write(one.bundle.marshal())
    await provider.untilKids([one.jwtKeyId])
    expect([await provider.health('/ready'), await provider.health('/live')]).toEqual([200, 200])
    write('{"keys": [')
    await provider.daemon.waitFor('unable to parse JWKS')
    expect(await provider.kids()).toEqual([one.jwtKeyId])
    write(other.bundle.marshal())
    await provider.untilKids([other.jwtKeyId])
    write('{"keys": []}')
    await provider.untilKids([])
    expect(await provider.get('/keys')).toMatchObject({ status: 501 })
  })

  it('takes a new certificate over, and keeps the old one while the files do not fit', async () => {
    await using scene = new Scene()
    const [first, second] = [await issue('localhost'), await issue('localhost')]
    const [cert, key] = [scene.path('cert.pem'), scene.path('cert.key')]
    const port = await freePort()
    writeFileSync(cert, first.cert)
    writeFileSync(key, first.key)
    writeFileSync(scene.path('bundle.json'), TestCa.create('example.org').bundle.marshal())
    writeFileSync(
      scene.path('oidc.conf'),
      `domains = ["localhost"]
      file { path = "${scene.path('bundle.json')}" }
      serving_cert_file {
        cert_file_path = "${cert}" key_file_path = "${key}" addr = "127.0.0.1:${port}" file_sync_interval = "50ms"
      }`,
    )
    const daemon = scene.start(program, ['-config', scene.path('oidc.conf')])
    await daemon.waitFor('Serving HTTPS using certificate loaded from disk')
    const http = new HttpClient({ environment: {}, clock: systemClock })
    const url = `https://localhost:${port}/.well-known/openid-configuration`
    const ask = async (root: string) => {
      const { body } = await http.request({ url, roots: [root] })
      return JSON.parse(Buffer.from(body).toString())
    }
    expect(await ask(first.root)).toMatchObject({ issuer: `https://localhost:${port}` })
    writeFileSync(cert, second.cert)
    await daemon.waitFor('Failed to load certificate')
    expect(await ask(first.root)).toBeDefined()
    writeFileSync(key, second.key)
    await daemon.waitFor('Loaded provided certificate with success')
    expect(await ask(second.root)).toBeDefined()
    await expect(ask(first.root)).rejects.toMatchObject({ code: 'ERR_HTTP_UNREACHABLE' })
  })

  it.each(['SIGTERM', 'SIGINT'] as const)('ends on %s as SPIRE’s does', async (signal) => {
    await using scene = new Scene()
    const provider = await OidcProviderDeployment.start(scene, {
      program,
      source: `server_api { address = "unix:///nowhere/api.sock" }`,
    })
    await provider.daemon.waitFor('Failed to fetch bundle')
    expect(await provider.daemon.stop(signal)).toBe(1)
    const { output } = provider.daemon
    expect(output).toContain(
      'error="rpc error: code = Unavailable desc = connection error: desc = \\"transport: Error while dialing: dial unix /nowhere/api.sock: connect: no such file or directory\\""',
    )
    expect(output).toContain(
      `msg="close unix ${provider.socket}: use of closed network connection"`,
    )
    expect(output).toContain('msg="Polling done" error="context canceled"')
    expect(output).toContain('http: Server closed\n')
  })

  it('serves while its health port is taken, and lives on when it is told of signals of others', async () => {
    await using scene = new Scene()
    await using other = new Scene()
    const source = `file { path = "/nowhere" }`
    const first = await OidcProviderDeployment.start(scene, { program, source })
    const settings = `health_checks { bind_port = ${first.healthPort} }`
    const second = await OidcProviderDeployment.start(other, { program, source, settings })
    await second.daemon.waitFor(`listen tcp :${first.healthPort}: bind: address already in use`)
    for (const signal of ['SIGUSR1', 'SIGUSR2'] as const) second.daemon.process.kill(signal)
    expect((await second.get('/.well-known/openid-configuration')).status).toBe(200)
  })

  it('says when this program is nobody to the agent, and why a trust domain is not there', async () => {
    await using scene = new Scene()
    const server = await ServerDeployment.start(scene)
    const agent = await AgentDeployment.start(scene, server)
    const provider = await OidcProviderDeployment.start(scene, {
      program,
      source: `workload_api { socket_path = "${agent.socket}" trust_domain = "example.org" poll_interval = "100ms" }`,
    })
    await provider.daemon.waitFor(
      'msg="Failed to fetch JWKS from the Workload API" error="rpc error: code = PermissionDenied desc = no identity issued"',
    )
    expect(await provider.health('/ready')).toBe(500)
  })
})
