import type { ServerResponse } from 'node:http'
import { FormServer, type SentForm } from './form-server.ts'
import { findFault, type TrustPolicy } from './trust-policy.ts'

const grantType = 'urn:ietf:params:oauth:grant-type:token-exchange'

/** A token endpoint that exchanges tokens [RFC 8693] for whom a policy pins. */
export class FakeTokenEndpoint implements AsyncDisposable {
  /** The forms that came. */
  readonly seen: URLSearchParams[] = []
  /** Answers to the next calls, in place of the right ones. */
  readonly instead: ((response: ServerResponse) => void)[] = []
  /** Members of the next answers that differ; undefined removes one. */
  answer: Readonly<Record<string, unknown>> = {}
  policy: TrustPolicy | undefined
  #server: FormServer | undefined

  private constructor() {}

  static async start(): Promise<FakeTokenEndpoint> {
    const made = new FakeTokenEndpoint()
    made.#server = await FormServer.start({ answer: (...all) => made.#answer(...all) })
    return made
  }

  get url(): string {
    return `http://127.0.0.1:${this.#server?.port}/token`
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server?.[Symbol.asyncDispose]()
  }

  async #answer({ fields: form }: SentForm, response: ServerResponse): Promise<void> {
    this.seen.push(form)
    const instead = this.instead.shift()
    if (instead) {
      instead(response)
      return
    }
    const refusal = await this.#refusalOf(form)
    response.setHeader('content-type', 'application/json')
    if (refusal !== undefined) {
      // A careless server repeats what it was sent.
      const error_description = `no: ${form.get('subject_token')}`
      response.writeHead(400).end(JSON.stringify({ error: refusal, error_description }))
      return
    }
    const { answer } = this
    const good = {
      access_token: 'exchanged-token',
      issued_token_type: 'urn:ietf:params:oauth:token-type:access_token',
      token_type: 'Bearer',
      expires_in: 3600,
    }
    response.end(JSON.stringify({ ...good, ...answer }))
  }

  async #refusalOf(form: URLSearchParams): Promise<string | undefined> {
    if (form.get('grant_type') !== grantType) return 'unsupported_grant_type'
    const type = form.get('subject_token_type')
    if (type !== 'urn:ietf:params:oauth:token-type:jwt') return 'invalid_request'
    if (!this.policy) return 'invalid_client'
    const fault = await findFault(form.get('subject_token') ?? '', this.policy)
    return fault && 'invalid_grant'
  }
}
