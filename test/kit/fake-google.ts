import { generateKeyPairSync, type KeyObject, sign } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { createServer, type RequestListener } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import { type AddressInfo, connect, type Server, type Socket } from 'node:net'
import { systemClock } from '@mini-spire/runtime/clock'
import { issue } from '@mini-spire/runtime/http/http.test-kit'
import { makeTestCertificate, testName } from '@mini-spire/sdk/testing'
import { pemEncode } from '@mini-spire/sdk/x509'
import type { Scene } from './processes.ts'

const keyId = 'test-key'
const hourSeconds = 3600

/**
 * Google, for one instance of Compute Engine: a metadata server that issues identity tokens, and the page with the
 * certificate of the key that signs them. A server reaches that page through a proxy, by {@link FakeGoogle.environment}.
 */
export class FakeGoogle {
  /** Where the metadata server listens: `127.0.0.1:<port>`. */
  readonly metadataHost: string
  /** For the process that checks tokens. */
  readonly environment: Readonly<Record<string, string>>

  private constructor(metadataHost: string, environment: Readonly<Record<string, string>>) {
    this.metadataHost = metadataHost
    this.environment = environment
  }

  /** Starts it for as long as the scene lasts. */
  static async start(scene: Scene, instance: object): Promise<FakeGoogle> {
    const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
    const metadata = await listen(
      scene,
      createServer(answerMetadata((audience) => identityToken(privateKey, instance, audience))),
    )
    const tls = await issue('www.googleapis.com')
    const page = await listen(scene, createTlsServer(tls, answerCertificates(privateKey)))
    const proxy = await listen(scene, createProxy(page))
    const root = scene.path('google-root.pem')
    writeFileSync(root, tls.root)
    return new FakeGoogle(`127.0.0.1:${metadata}`, {
      HTTPS_PROXY: `http://127.0.0.1:${proxy}`,
      SSL_CERT_FILE: root,
    })
  }
}

function answerMetadata(tokenFor: (audience: string) => string): RequestListener {
  return (request, response) => {
    const url = new URL(request.url ?? '/', 'http://metadata')
    const isIdentity = url.pathname.endsWith('/service-accounts/default/identity')
    const isFull = url.searchParams.get('format') === 'full'
    if (!isIdentity || !isFull || request.headers['metadata-flavor'] !== 'Google') {
      response.writeHead(404).end()
      return
    }
    response.end(tokenFor(url.searchParams.get('audience') ?? ''))
  }
}

function identityToken(key: KeyObject, instance: object, audience: string): string {
  const encode = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url')
  const now = Math.trunc(systemClock.nowMs() / 1000)
  const claims = {
    iss: 'https://accounts.google.com',
    aud: audience,
    email: 'vm@project-1.iam.gserviceaccount.com',
    iat: now,
    exp: now + hourSeconds,
    google: { compute_engine: instance },
  }
  const signed = `${encode({ alg: 'RS256', kid: keyId, typ: 'JWT' })}.${encode(claims)}`
  return `${signed}.${sign('sha256', Buffer.from(signed), key).toString('base64url')}`
}

function answerCertificates(privateKey: KeyObject): RequestListener {
  const [notBefore, notAfter] = [new Date(0), new Date(4e12)]
  const issuer = { name: testName('federated-signon'), privateKey }
  const der = makeTestCertificate(issuer, { publicKey: privateKey, notBefore, notAfter })
  return (request, response) => {
    if (request.url !== '/oauth2/v1/certs') {
      response.writeHead(404).end()
      return
    }
    response.setHeader('expires', new Date(systemClock.nowMs() + hourSeconds * 1000).toUTCString())
    response.end(JSON.stringify({ [keyId]: pemEncode('CERTIFICATE', der) }))
  }
}

/** A proxy behind which every host is the one at this port. */
function createProxy(port: number): Server {
  return createServer().on('connect', (_, client: Socket) => {
    const upstream = connect(port, '127.0.0.1', () => {
      client.write('HTTP/1.1 200 Connection established\r\n\r\n')
      client.pipe(upstream).pipe(client)
    })
    const end = (): void => {
      client.destroy()
      upstream.destroy()
    }
    client.on('error', end).on('close', end)
    upstream.on('error', end)
  })
}

async function listen(scene: Scene, server: Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  scene.defer(async () => {
    server.close()
  })
  return (server.address() as AddressInfo).port
}
