import { generateKeyPairSync, type KeyObject, sign } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import type { RequestListener } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pemEncode } from '../../x509/index.ts'
import { makeTestCertificate, testName } from '../certificate-maker.ts'
import { FakeHost } from './fake-host.ts'

const keyId = 'test-key'
const hourSeconds = 3600

/** What Google's tokens say of an instance. */
export interface GoogleInstance {
  readonly project_id: string
  readonly project_number: number
  readonly zone: string
  readonly instance_id: string
  readonly instance_name: string
  readonly instance_creation_timestamp: number
}

/**
 * Google, for one instance of Compute Engine: a metadata server that issues identity tokens, and the page with the
 * certificate of the key that signs them. A server reaches that page through a proxy, by {@link FakeGoogle.environment}.
 */
export class FakeGoogle implements AsyncDisposable {
  /** Where the metadata server listens: `127.0.0.1:<port>`. */
  readonly metadataHost: string
  /** For the process that checks tokens. */
  readonly environment: Readonly<Record<string, string>>
  readonly #folder: string
  readonly #hosts: readonly FakeHost[]

  private constructor(
    metadataHost: string,
    environment: Readonly<Record<string, string>>,
    folder: string,
    hosts: readonly FakeHost[],
  ) {
    this.metadataHost = metadataHost
    this.environment = environment
    this.#folder = folder
    this.#hosts = hosts
  }

  /** Starts it, until it is disposed. */
  static async start(instance: GoogleInstance): Promise<FakeGoogle> {
    const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
    const tokenFor = (audience: string): string => identityToken(privateKey, instance, audience)
    const metadata = await FakeHost.http(answerMetadata(tokenFor))
    const page = await FakeHost.https('www.googleapis.com', answerCertificates(privateKey))
    const proxy = await FakeHost.proxy(page.host.port)
    const folder = await mkdtemp(join(tmpdir(), 'fake-google-'))
    const root = join(folder, 'root.pem')
    await writeFile(root, page.root)
    const environment = {
      HTTPS_PROXY: `http://127.0.0.1:${proxy.port}`,
      SSL_CERT_FILE: root,
    }
    const hosts = [metadata, proxy, page.host]
    return new FakeGoogle(`127.0.0.1:${metadata.port}`, environment, folder, hosts)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const host of this.#hosts) await host[Symbol.asyncDispose]()
    await rm(this.#folder, { recursive: true, force: true })
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

function identityToken(key: KeyObject, instance: GoogleInstance, audience: string): string {
  const encode = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url')
  const now = Math.trunc(Date.now() / 1000)
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
    response.setHeader('expires', new Date(Date.now() + hourSeconds * 1000).toUTCString())
    response.end(JSON.stringify({ [keyId]: pemEncode('CERTIFICATE', der) }))
  }
}
