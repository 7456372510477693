import type { ServerResponse } from 'node:http'
import { createServer, type Server } from 'node:https'
import type { AddressInfo } from 'node:net'
import { issue } from '@mini-spire/runtime/http/http.test-kit'
import { findFault, type TrustPolicy } from './trust-policy.ts'

const assertionType = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer'

/** What a fake Entra ID knows. */
export interface FakeEntraOptions {
  readonly tenantId: string
  readonly clientId: string
  /** The federated credential of the application. */
  readonly policy: TrustPolicy
}

/** Entra ID as far as an application's login with a federated credential, over TLS. */
export class FakeEntra implements AsyncDisposable {
  readonly authority: string
  /** PEM of the authority that its certificate leads to. */
  readonly tlsRoot: string
  /** The forms that came. */
  readonly seen: URLSearchParams[] = []
  readonly #server: Server
  readonly #options: FakeEntraOptions

  private constructor(server: Server, tlsRoot: string, options: FakeEntraOptions) {
    this.#server = server
    this.#options = options
    this.tlsRoot = tlsRoot
    this.authority = `https://localhost:${(server.address() as AddressInfo).port}`
  }

  static async start(options: FakeEntraOptions): Promise<FakeEntra> {
    const tls = await issue('localhost')
    const server = createServer(tls)
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const made = new FakeEntra(server, tls.root, options)
    server.on('request', (request, response) => {
      const pieces: Buffer[] = []
      request.on('data', (piece: Buffer) => pieces.push(piece))
      request.on('end', () => {
        void made.#answer(request.url ?? '', Buffer.concat(pieces).toString(), response)
      })
    })
    return made
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections()
    await new Promise((resolve) => this.#server.close(resolve))
  }

  async #answer(url: string, body: string, response: ServerResponse): Promise<void> {
    const { status, json } = await this.#replyTo(url, body)
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(json))
  }

  async #replyTo(
    url: string,
    body: string,
  ): Promise<{ readonly status: number; readonly json: unknown }> {
    const { tenantId } = this.#options
    const tenant = `${this.authority}/${tenantId}`
    if (url.startsWith(`/${tenantId}/v2.0/.well-known/openid-configuration`)) {
      const json = {
        issuer: `${tenant}/v2.0`,
        authorization_endpoint: `${tenant}/oauth2/v2.0/authorize`,
        token_endpoint: `${tenant}/oauth2/v2.0/token`,
        jwks_uri: `${tenant}/discovery/v2.0/keys`,
      }
      return { status: 200, json }
    }
    if (!url.startsWith(`/${tenantId}/oauth2/v2.0/token`)) return { status: 404, json: {} }
    const form = new URLSearchParams(body)
    this.seen.push(form)
    const refusal = await this.#refusalOf(form)
    if (refusal !== undefined) return { status: 401, json: refusal }
    const json = { token_type: 'Bearer', expires_in: 3599, access_token: 'azure-token' }
    return { status: 200, json }
  }

  async #refusalOf(form: URLSearchParams): Promise<object | undefined> {
    const isAsked =
      form.get('grant_type') === 'client_credentials' &&
      form.get('client_id') === this.#options.clientId &&
      form.get('client_assertion_type') === assertionType
    if (!isAsked) return { error: 'invalid_request', error_description: 'AADSTS900144' }
    const fault = await findFault(form.get('client_assertion') ?? '', this.#options.policy)
    return fault && { error: 'invalid_client', error_description: `AADSTS700213: ${fault}` }
  }
}
