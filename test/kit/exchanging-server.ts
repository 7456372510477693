import { writeFileSync } from 'node:fs'
import { request as httpsRequest } from 'node:https'
import { issue } from '@mini-spire/runtime/http/http.test-kit'
import { tokenTypes } from '@mini-spire/server/token-endpoint/token-request'
import { ServerDeployment } from './deployment.ts'
import { FakeOidcIssuer } from './fake-oidc-issuer.ts'
import { freePort, type Scene } from './processes.ts'

/** An answer of the token endpoint. */
export interface TokenAnswer {
  readonly status: number | undefined
  readonly body: Readonly<Record<string, string>>
}

/** What {@link ExchangingServer.start} may be told. */
export interface ExchangingServerOptions {
  /** The name in its certificate. @default one that only this client's own requests know */
  readonly host?: string
  /** More lines of the `server { }` block. */
  readonly settings?: string
  /** More top-level blocks. */
  readonly blocks?: string
  readonly env?: NodeJS.ProcessEnv
}

const defaultHost = 'exchange.test'

/** A server process that exchanges tokens of a fake issuer named `ci`, and a client for it. */
export class ExchangingServer {
  readonly server: ServerDeployment
  readonly issuer: FakeOidcIssuer
  /** Of its certificate, PEM. */
  readonly root: string
  readonly #host: string
  readonly #port: number
  #asked = 0

  private constructor(
    server: ServerDeployment,
    issuer: FakeOidcIssuer,
    endpoint: { readonly host: string; readonly port: number; readonly root: string },
  ) {
    this.server = server
    this.issuer = issuer
    this.root = endpoint.root
    this.#host = endpoint.host
    this.#port = endpoint.port
  }

  /** Of its token endpoint. */
  get url(): string {
    return `https://${this.#host}:${this.#port}/token`
  }

  /** Starts issuer and server. Tokens need `repository` below `octo/`; selectors are made of it and of `ref`. */
  static async start(
    scene: Scene,
    options: ExchangingServerOptions = {},
  ): Promise<ExchangingServer> {
    const { host = defaultHost, settings = '', blocks = '', env } = options
    const issuer = await FakeOidcIssuer.start(scene)
    const tls = await issue(host)
    const [cert, key] = [scene.path('exchange.pem'), scene.path('exchange.key')]
    writeFileSync(cert, tls.cert)
    writeFileSync(key, tls.key)
    const port = await freePort()
    const files = `cert_file_path = "${cert}" key_file_path = "${key}" file_sync_interval = "1h"`
    const exchange = `audit_log_enabled = true
      token_exchange {
        address = "127.0.0.1"
        port = ${port}
        profile { https_web { serving_cert_file { ${files} } } }
        issuer "ci" {
          issuer_url = "${issuer.mint.url}"
          ca_file = "${issuer.caFile}"
          audience = ["spiffe-exchange"]
          claim "repository" { glob = "octo/app" }
          selectors { repository = "repository" ref = "ref" }
        }
      }
      ${settings}`
    const server = await ServerDeployment.start(scene, {
      settings: exchange,
      blocks,
      ...(env && { env }),
    })
    return new ExchangingServer(server, issuer, { host, port, root: tls.root })
  }

  /** Registers an identity for tokens of the repository `octo/app`. */
  register(path: string, ...more: readonly string[]): string {
    const parent = 'spiffe://example.org/spire/exchange/ci'
    const id = `spiffe://example.org${path}`
    const selector = ['-selector', 'ci:repository:octo/app']
    return this.server.must(
      'entry',
      'create',
      '-parentID',
      parent,
      '-spiffeID',
      id,
      ...selector,
      ...more,
    )
  }

  /** Asks for a JWT-SVID for the audience `api`, unless told otherwise. */
  async exchange(
    token: string,
    change: Readonly<Record<string, string>> = {},
  ): Promise<TokenAnswer> {
    const form = new URLSearchParams({
      grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
      subject_token: token,
      subject_token_type: tokenTypes.idToken,
      audience: 'api',
      ...change,
    })
    return await this.#post(form.toString())
  }

  #post(body: string): Promise<TokenAnswer> {
    // Every request comes from another address: the bounds for one are not what is tried.
    const localAddress = `127.0.1.${(this.#asked++ % 250) + 1}`
    const headers = { 'content-type': 'application/x-www-form-urlencoded' }
    const target = { host: '127.0.0.1', port: this.#port, path: '/token', servername: this.#host }
    const trust = { ca: [this.root], agent: false as const, localAddress }
    return new Promise((resolve, reject) => {
      const sent = httpsRequest({ ...target, ...trust, method: 'POST', headers }, (response) => {
        let text = ''
        response.setEncoding('utf8').on('data', (piece: string) => {
          text += piece
        })
        response.once('error', reject)
        response.once('end', () => {
          resolve({ status: response.statusCode, body: JSON.parse(text) })
        })
      })
      sent.once('error', reject)
      sent.end(body)
    })
  }
}
