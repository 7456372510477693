import type { RequestListener } from 'node:http'
import { pemEncode } from '../../x509/index.ts'
import { makeTestCertificate, testName } from '../certificate-maker.ts'
import { FakeHost } from './fake-host.ts'
import { FakeHosts } from './fake-hosts.ts'
import {
  makeToken,
  makeTokenIssuer,
  type TokenIssuer,
  type WrongToken,
  wrongTokens,
} from './test-token.ts'

const hourMs = 3_600_000
const certificatesHost = 'www.googleapis.com'

/** What Google's tokens say of an instance. */
export interface GoogleInstance {
  readonly project_id: string
  readonly project_number: number
  readonly zone: string
  readonly instance_id: string
  readonly instance_name: string
  readonly instance_creation_timestamp: number
}

/** What can be wrong with an identity token of Google. */
export type WrongGoogleToken = WrongToken | 'other-project' | 'without-instance'

/** Every way in which {@link FakeGoogle.token} can go wrong. */
export const wrongGoogleTokens: readonly WrongGoogleToken[] = [
  ...wrongTokens,
  'other-project',
  'without-instance',
]

/**
 * Google, for one instance of Compute Engine: a metadata server that issues identity tokens, and the page with the
 * certificate of the key that signs them. A server reaches that page through a proxy, by {@link FakeGoogle.environment}.
 *
 * Each host can be told to misbehave, by its `fault`.
 *
 * @example
 * await using google = await FakeGoogle.start({ project_id: 'project-1', … })
 * google.wrong = 'expired'
 */
export class FakeGoogle implements AsyncDisposable {
  /** What is wrong with the tokens that the metadata server issues from now on; undefined: nothing. */
  wrong: WrongGoogleToken | undefined
  /** The metadata server, plain HTTP. */
  readonly metadata: FakeHost
  /** `www.googleapis.com` with the certificates, HTTPS. */
  readonly certificates: FakeHost
  /** For the process that checks tokens: `HTTPS_PROXY`, `SSL_CERT_FILE` and `SSL_CERT_DIR`. */
  readonly environment: Readonly<Record<string, string>>
  readonly #issuer: TokenIssuer
  readonly #instance: GoogleInstance
  readonly #hosts: FakeHosts

  private constructor(parts: {
    readonly metadata: FakeHost
    readonly hosts: FakeHosts
    readonly issuer: TokenIssuer
    readonly instance: GoogleInstance
  }) {
    this.metadata = parts.metadata
    this.#hosts = parts.hosts
    this.certificates = parts.hosts.get(certificatesHost)
    this.#issuer = parts.issuer
    this.#instance = parts.instance
    const { HTTP_PROXY: _, ...environment } = parts.hosts.environment
    this.environment = environment
  }

  /** Starts it, until it is disposed. */
  static async start(instance: GoogleInstance): Promise<FakeGoogle> {
    const issuer = makeTokenIssuer('test-key')
    let answer: RequestListener = () => undefined
    const metadata = await FakeHost.http((...all) => answer(...all))
    const hosts = await FakeHosts.start({ [certificatesHost]: answerCertificates(issuer) })
    const made = new FakeGoogle({ metadata, hosts, issuer, instance })
    answer = answerMetadata((audience) => made.token(audience, made.wrong))
    return made
  }

  /** Where the metadata server listens: `127.0.0.1:<port>`. */
  get metadataHost(): string {
    return `127.0.0.1:${this.metadata.port}`
  }

  /** An identity token as the metadata server issues it, or with exactly one thing wrong. */
  token(audience: string, wrong?: WrongGoogleToken): string {
    const instance = this.#instance
    const claims = {
      iss: 'https://accounts.google.com',
      aud: audience,
      sub: '1',
      email: `vm@${instance.project_id}.iam.gserviceaccount.com`,
      google: { compute_engine: instance },
    }
    switch (wrong) {
      case 'other-project': {
        const other = { ...instance, project_id: 'other-project' }
        return makeToken(this.#issuer, { ...claims, google: { compute_engine: other } })
      }
      case 'without-instance':
        return makeToken(this.#issuer, { ...claims, google: undefined })
      default:
        return makeToken(this.#issuer, claims, wrong)
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.metadata[Symbol.asyncDispose]()
    await this.#hosts[Symbol.asyncDispose]()
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

function answerCertificates({ keyId, privateKey, publicKey }: TokenIssuer): RequestListener {
  const [notBefore, notAfter] = [new Date(0), new Date(4e12)]
  const issuer = { name: testName('federated-signon'), privateKey }
  const der = makeTestCertificate(issuer, { publicKey, notBefore, notAfter })
  return (request, response) => {
    if (request.url !== '/oauth2/v1/certs') {
      response.writeHead(404).end()
      return
    }
    response.setHeader('expires', new Date(Date.now() + hourMs).toUTCString())
    response.end(JSON.stringify({ [keyId]: pemEncode('CERTIFICATE', der) }))
  }
}
