import type { HttpAnswer, HttpClient } from '@mini-spire/runtime/http/http-client'
import { stringIn } from '@mini-spire/runtime/json-fields'
import { messageOf } from '@mini-spire/sdk/errors'
import type { NodeAttestation, NodeAttestor, NodeAttestorCall } from '../node-attestor.ts'
import { NodeAttestorError } from '../node-attestor-error.ts'
import { unexpectedChallenge } from '../unexpected-challenge.ts'

const name = 'azure_msi'
const tokenUrl = 'http://169.254.169.254/metadata/identity/oauth2/token'
const maxAnswerBytes = 64 * 1024
const maxShownCharacters = 1024

/** Options of {@link AzureMsiAttestor}: its `plugin_data`. */
export interface AzureMsiOptions {
  readonly http: Pick<HttpClient, 'request'>
  /** What the token is for: a service of Azure, or an application that is registered with the tenant. */
  readonly resourceId: string
}

/** Attests by an access token of this machine's managed identity, which Azure's metadata service issues. */
export class AzureMsiAttestor implements NodeAttestor {
  readonly name: string = name
  readonly #options: AzureMsiOptions

  constructor(options: AzureMsiOptions) {
    this.#options = options
  }

  async begin({ signal }: NodeAttestorCall): Promise<NodeAttestation> {
    const token = await this.#fetchToken(signal)
    return {
      payload: Buffer.from(JSON.stringify({ token })),
      answer: () => Promise.reject(unexpectedChallenge(name)),
    }
  }

  async #fetchToken(signal: AbortSignal): Promise<string> {
    const { status, body } = await this.#ask(signal)
    const text = Buffer.from(body).toString('utf8')
    if (status !== 200) {
      throw failed(`unexpected status code ${status}: ${text.slice(0, maxShownCharacters)}`)
    }
    const token = stringIn(parse(text), 'access_token')
    if (token === '') throw failed('response missing access token')
    return token
  }

  async #ask(signal: AbortSignal): Promise<HttpAnswer> {
    const { http, resourceId } = this.#options
    const query = new URLSearchParams({ 'api-version': '2018-02-01', resource: resourceId })
    try {
      return await http.request({
        url: `${tokenUrl}?${query}`,
        headers: { metadata: 'true' },
        // What proves who this node is goes through nobody's hands.
        proxy: 'none',
        maxBytes: maxAnswerBytes,
        signal,
      })
    } catch (cause) {
      throw failed(messageOf(cause), cause)
    }
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    // The parser's text quotes what it read: a token perhaps.
    throw failed('unable to decode response: not JSON')
  }
}

function failed(why: string, cause?: unknown): NodeAttestorError {
  const message = `unable to fetch token: ${why}`
  return new NodeAttestorError(name, 'ERR_NODE_ATTESTOR_CREDENTIAL', message, { cause })
}
