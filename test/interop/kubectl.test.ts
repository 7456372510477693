import { writeFileSync } from 'node:fs'
import type { IncomingMessage } from 'node:http'
import { createServer, type Server } from 'node:https'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import type { TLSSocket } from 'node:tls'
import { issue, type NamedCertificate } from '@mini-spire/runtime/http/http.test-kit'
import { JwtSource, X509Source } from '@mini-spire/sdk/workload-api'
import { pemEncode } from '@mini-spire/sdk/x509'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { DiscoveryServer } from '../kit/discovery-server.ts'
import { hasProgram, missingPeer } from '../kit/peers.ts'
import { type Finished, finishProgram } from '../kit/processes.ts'
import { root } from '../kit/repository.ts'
import { ServedWorkload } from '../kit/served-workload.ts'
import { findFault } from '../kit/trust-policy.ts'

const audience = 'https://cluster.example.org'
const isMissing = (): boolean =>
  hasProgram('kubectl', 'version', '--client')
    ? false
    : missingPeer('kubectl', 'apt-get install kubernetes-client')

/** An API server as far as authentication: it answers who the caller is, or 401. */
describe.skipIf(isMissing())('kubectl', () => {
  let served: ServedWorkload
  let discovery: DiscoveryServer
  let keys: JwtSource
  let tls: NamedCertificate
  let cluster: Server
  beforeAll(async () => {
    discovery = await DiscoveryServer.start(() => {
      const bundle = keys.findJwtBundle(served.trustDomain)
      if (!bundle) throw new Error('no keys')
      return bundle
    })
    served = await ServedWorkload.start({ server: `jwt_issuer = "${discovery.issuer}"` })
    keys = await JwtSource.create({ address: served.agent.address })
    served.register('/named', '-dns', 'alice')
    await using x509 = await X509Source.create({ address: served.agent.address })
    await vi.waitFor(() => expect(x509.getX509Svids()).toHaveLength(2), 30_000)
    const { authorities = [] } = x509.findX509Bundle(served.trustDomain) ?? {}
    const ca = authorities.map(({ raw }) => pemEncode('CERTIFICATE', raw)).join('')
    tls = await issue('localhost')
    const options = { ...tls, ca, requestCert: true, rejectUnauthorized: false }
    cluster = createServer(options, (request, response) => {
      void userOf(request).then((user) => {
        response.writeHead(user === undefined ? 401 : 200, { 'content-type': 'application/json' })
        response.end(JSON.stringify(user === undefined ? { kind: 'Status', code: 401 } : { user }))
      })
    })
    await new Promise<void>((resolve) => cluster.listen(0, '127.0.0.1', resolve))
  })
  afterAll(async () => {
    keys?.close()
    cluster?.closeAllConnections()
    cluster?.close()
    await served?.[Symbol.asyncDispose]()
    await discovery?.[Symbol.asyncDispose]()
  })

  async function userOf(request: IncomingMessage): Promise<string | undefined> {
    const socket = request.socket as TLSSocket
    const token = /^Bearer (.*)$/.exec(request.headers.authorization ?? '')?.[1]
    const policy = { issuer: discovery.issuer, audience, subject: served.id }
    if (token !== undefined && (await findFault(token, policy)) === undefined) return served.id
    return socket.authorized ? String(socket.getPeerCertificate().subject.CN) : undefined
  }

  async function whoAmI(...args: readonly string[]): Promise<Finished> {
    const ca = served.scene.path('cluster-ca.pem')
    writeFileSync(ca, tls.root)
    const kubeconfig = served.scene.path('kubeconfig')
    const server = `https://localhost:${(cluster.address() as AddressInfo).port}`
    const exec = {
      apiVersion: 'client.authentication.k8s.io/v1beta1',
      command: process.execPath,
      args: [join(root, 'packages/sdk/bin/mini-spire-credentials.js'), ...args],
      env: [{ name: 'SPIFFE_ENDPOINT_SOCKET', value: served.agent.address }],
    }
    const context = { name: 'test', context: { cluster: 'test', user: 'test' } }
    const config = {
      apiVersion: 'v1',
      kind: 'Config',
      'current-context': 'test',
      contexts: [context],
      clusters: [{ name: 'test', cluster: { server, 'certificate-authority': ca } }],
      users: [{ name: 'test', user: { exec } }],
    }
    writeFileSync(kubeconfig, JSON.stringify(config))
    const flags = ['--kubeconfig', kubeconfig, 'get', '--raw', '/whoami']
    return await finishProgram({ command: 'kubectl', args: [] }, flags)
  }

  it('is the workload, with a JWT-SVID', async () => {
    const done = await whoAmI('kubernetes-token', '--audience', audience, '--spiffe-id', served.id)
    expect(done).toEqual({ status: 0, stdout: JSON.stringify({ user: served.id }), stderr: '' })
  })

  it('is who the DNS name of the entry says, with an X509-SVID', async () => {
    const id = `spiffe://${served.server.trustDomain}/named`
    const done = await whoAmI('kubernetes-certificate', '--spiffe-id', id)
    expect(done).toEqual({ status: 0, stdout: JSON.stringify({ user: 'alice' }), stderr: '' })
  })

  it('is nobody with a token for another audience, or of another subject', async () => {
    const named = `spiffe://${served.server.trustDomain}/named`
    for (const [wanted, id] of [
      [`${audience}/`, served.id],
      [audience, named],
    ] as const) {
      const args = ['kubernetes-token', '--audience', wanted, '--spiffe-id', id]
      expect(await whoAmI(...args)).toMatchObject({ status: 1, stdout: '' })
    }
  })
})
