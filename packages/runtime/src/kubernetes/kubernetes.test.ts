import { mkdirSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:https'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { systemClock } from '../clock.ts'
import { HttpScene, issue, type NamedCertificate } from '../http/http.test-kit.ts'
import { HttpClient } from '../http/http-client.ts'
import { inClusterAccess } from './cluster-access.ts'
import { ExecCredentials } from './exec-credentials.ts'
import { kubeconfigAccess } from './kubeconfig.ts'
import { KubernetesClient } from './kubernetes-client.ts'

const scene = new HttpScene()
let certificate: NamedCertificate
let folder: string
let port: number
let seen: { method?: string; url?: string; authorization?: string; type?: string; body: string }[]
let answer: { status: number; body: string }

beforeAll(async () => {
  certificate = await issue('localhost')
  folder = scene.folder()
  const { key, cert, root: ca } = certificate
  const server = createServer({ key, cert, ca, requestCert: true, rejectUnauthorized: false })
  server.on('request', (request, response) => {
    const pieces: Buffer[] = []
    request.on('data', (piece: Buffer) => pieces.push(piece))
    request.on('end', () => {
      const { method, url, headers } = request
      const { authorization, 'content-type': type } = headers
      const body = Buffer.concat(pieces).toString()
      seen.push(JSON.parse(JSON.stringify({ method, url, authorization, type, body })))
      response.writeHead(answer.status).end(answer.body)
    })
  })
  port = await scene.listen(server)
  answer = { status: 200, body: '{"kind":"Pod"}' }
  seen = []
})
afterAll(() => scene.close())

const http = new HttpClient({ environment: {}, clock: systemClock })
const programs = new ExecCredentials({ clock: systemClock, environment: process.env })

function put(name: string, text: string): string {
  const path = join(folder, name)
  mkdirSync(join(path, '..'), { recursive: true })
  writeFileSync(path, text)
  return path
}

interface Parts {
  readonly cluster?: object
  readonly user?: object
  readonly rest?: object
}

/** A kubeconfig; YAML takes JSON. */
function kubeconfig({ cluster, user, rest }: Parts): string {
  const server = `https://localhost:${port}/`
  const authority = Buffer.from(certificate.root).toString('base64')
  return put(
    'kubeconfig',
    JSON.stringify({
      'current-context': 'main',
      contexts: [{ name: 'main', context: { cluster: 'c', user: 'u' } }],
      clusters: [
        { name: 'c', cluster: cluster ?? { server, 'certificate-authority-data': authority } },
      ],
      users: [{ name: 'u', user: user ?? { token: 'secret-token' } }],
      ...rest,
    }),
  )
}

async function ask(parts: Parts = {}): Promise<unknown> {
  seen.length = 0
  const client = new KubernetesClient({
    http,
    access: await kubeconfigAccess(kubeconfig(parts), programs),
  })
  return await client.request({ path: '/api/v1/pods' })
}

describe('a kubeconfig', () => {
  it('gives server, authority and token', async () => {
    expect(await ask()).toEqual({ kind: 'Pod' })
    expect(seen).toEqual([
      { method: 'GET', url: '/api/v1/pods', authorization: 'Bearer secret-token', body: '' },
    ])
  })

  it('gives files by paths relative to itself, tokens read anew', async () => {
    const server = `https://localhost:${port}`
    put('certs/ca.pem', certificate.root)
    put('token', 'from-file\n')
    const parts = {
      cluster: { server, 'certificate-authority': 'certs/ca.pem' },
      user: { tokenFile: 'token' },
    }
    await ask(parts)
    expect(seen[0]?.authorization).toBe('Bearer from-file')
  })

  it('gives client certificates, a name and password, or nothing', async () => {
    const data = (pem: string): string => Buffer.from(pem).toString('base64')
    const { cert, key } = certificate
    await ask({ user: { 'client-certificate-data': data(cert), 'client-key-data': data(key) } })
    expect(seen[0]).not.toHaveProperty('authorization')
    await ask({ user: { username: 'u', password: 'p' } })
    expect(seen[0]?.authorization).toBe(`Basic ${data('u:p')}`)
  })

  it('trusts its authority only, or any server where it says so', async () => {
    const server = `https://localhost:${port}`
    await expect(ask({ cluster: { server } })).rejects.toThrow('localhost')
    expect(await ask({ cluster: { server, 'insecure-skip-tls-verify': true } })).toBeDefined()
  })

  it.each([
    [{ rest: { 'current-context': 'other' } }, 'the kubeconfig has no context "other"'],
    [{ rest: { clusters: [] } }, 'the kubeconfig has no cluster "c"'],
    [{ rest: { users: 5 } }, 'the kubeconfig has no user "u"'],
    [{ cluster: { server: 'localhost' } }, "the cluster's server is no URL: localhost"],
    [{ cluster: { server: 'https://x', 'tls-server-name': 'y' } }, 'tls-server-name'],
    [{ user: { 'auth-provider': {} } }, 'auth-provider in a kubeconfig is not supported'],
    [{ user: { 'client-key': 'k' } }, 'cannot read'],
    [{ user: { 'client-key-data': 'aw==' } }, 'must be set together'],
  ])('%j is refused', async (parts, message) => {
    await expect(ask(parts)).rejects.toThrow(
      expect.objectContaining({
        code: 'ERR_KUBERNETES_CONFIG',
        message: expect.stringContaining(message),
      }),
    )
  })

  it('that is no YAML, or a bomb of aliases, is refused', async () => {
    await expect(kubeconfigAccess(put('bad', '{"'), programs)).rejects.toThrow('is no YAML')
    const bomb = ['a: &a [x,x,x,x,x,x,x,x,x]']
    for (const name of ['b', 'c', 'd', 'e', 'f', 'g', 'h']) {
      const previous = String.fromCharCode(name.charCodeAt(0) - 1)
      bomb.push(`${name}: &${name} [${`*${previous},`.repeat(9)}]`)
    }
    await expect(kubeconfigAccess(put('bomb', bomb.join('\n')), programs)).rejects.toThrow(
      'is no YAML',
    )
    await expect(kubeconfigAccess('/missing', programs)).rejects.toThrow('cannot read /missing')
  })
})

describe('a cluster', () => {
  it('is found from inside by the service account', async () => {
    put('account/token', 'pod-token')
    put('account/ca.crt', certificate.root)
    const environment = { KUBERNETES_SERVICE_HOST: 'localhost', KUBERNETES_SERVICE_PORT: `${port}` }
    const access = await inClusterAccess(environment, join(folder, 'account'))
    seen.length = 0
    await new KubernetesClient({ http, access }).request({ path: '/version' })
    expect(seen[0]?.authorization).toBe('Bearer pod-token')
    const v6 = { ...environment, KUBERNETES_SERVICE_HOST: '::1' }
    expect((await inClusterAccess(v6, join(folder, 'account'))).server).toBe(
      `https://[::1]:${port}`,
    )
  })

  it('is not found outside', async () => {
    await expect(inClusterAccess({})).rejects.toThrow(
      'unable to load in-cluster configuration, KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT must be defined',
    )
  })

  it('is asked with bodies in JSON', async () => {
    const access = await kubeconfigAccess(kubeconfig({}), programs)
    const client = new KubernetesClient({ http, access })
    seen.length = 0
    await client.request({ path: '/x', method: 'POST', body: { a: 1 } })
    expect(seen[0]).toMatchObject({ method: 'POST', type: 'application/json', body: '{"a":1}' })
  })

  it.each([
    [{ status: 404, body: '{"message":"pods \\"x\\" not found"}' }, 'pods "x" not found'],
    [{ status: 500, body: 'oops' }, '500 Internal Server Error'],
    [{ status: 200, body: 'not JSON' }, '200 OK'],
    [{ status: 403, body: JSON.stringify({ message: 'm'.repeat(9999) }) }, 'm'.repeat(512)],
  ])('refuses with its reason: %j', async (given, message) => {
    const before = answer
    answer = given
    await expect(ask()).rejects.toThrow(
      expect.objectContaining({ code: 'ERR_KUBERNETES_REFUSED', status: given.status, message }),
    )
    answer = before
  })
})
