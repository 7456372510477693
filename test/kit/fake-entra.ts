import type { ServerResponse } from 'node:http'
import { issue } from '@mini-spire/runtime/http/http.test-kit'
import { FormServer, type SentForm } from './form-server.ts'
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
  /** PEM of the authority that its certificate leads to. */
  readonly tlsRoot: string
  /** The forms that came. */
  readonly seen: URLSearchParams[] = []
  readonly #options: FakeEntraOptions
  #server: FormServer | undefined

  private constructor(tlsRoot: string, options: FakeEntraOptions) {
    this.#options = options
    this.tlsRoot = tlsRoot
  }

  static async start(options: FakeEntraOptions): Promise<FakeEntra> {
    const tls = await issue('localhost')
    const made = new FakeEntra(tls.root, options)
    made.#server = await FormServer.start({ tls, answer: (...all) => made.#answer(...all) })
    return made
  }

  get authority(): string {
    return `https://localhost:${this.#server?.port}`
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server?.[Symbol.asyncDispose]()
  }

  async #answer(form: SentForm, response: ServerResponse): Promise<void> {
    const { status, json } = await this.#replyTo(form)
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(json))
  }

  async #replyTo({
    url,
    fields: form,
  }: SentForm): Promise<{ readonly status: number; readonly json: unknown }> {
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
