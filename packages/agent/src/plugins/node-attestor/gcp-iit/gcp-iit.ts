import type { HttpAnswer, HttpClient } from '@mini-spire/runtime/http/http-client'
import { messageOf } from '@mini-spire/sdk/errors'
import type { NodeAttestation, NodeAttestor, NodeAttestorCall } from '../node-attestor.ts'
import { NodeAttestorError } from '../node-attestor-error.ts'
import { unexpectedChallenge } from '../unexpected-challenge.ts'

const name = 'gcp_iit'
const query = 'audience=spire-gcp-node-attestor&format=full'
const maxTokenBytes = 64 * 1024

/** Options of {@link GcpIitAttestor}: its `plugin_data`. */
export interface GcpIitOptions {
  readonly http: Pick<HttpClient, 'request'>
  /** Host of the metadata server, with a port if it has one. */
  readonly identityTokenHost: string
  /** The service account of this instance that the token is for. */
  readonly serviceAccount: string
}

/** Attests by the identity token that the metadata server of Google Compute Engine issues to this instance. */
export class GcpIitAttestor implements NodeAttestor {
  readonly name: string = name
  readonly #options: GcpIitOptions

  constructor(options: GcpIitOptions) {
    this.#options = options
  }

  async begin({ signal }: NodeAttestorCall): Promise<NodeAttestation> {
    return {
      payload: await this.#fetchToken(signal),
      answer: () => Promise.reject(unexpectedChallenge(name)),
    }
  }

  async #fetchToken(signal: AbortSignal): Promise<Uint8Array> {
    const { status, body } = await this.#ask(signal)
    if (status !== 200) throw failed(`unexpected status code: ${status}`)
    if (body.length === 0) throw failed('the answer is empty')
    return body
  }

  async #ask(signal: AbortSignal): Promise<HttpAnswer> {
    const { http, identityTokenHost, serviceAccount } = this.#options
    const account = encodeURIComponent(serviceAccount).replaceAll('%40', '@')
    const path = `/computeMetadata/v1/instance/service-accounts/${account}/identity`
    try {
      return await http.request({
        url: `http://${identityTokenHost}${path}?${query}`,
        headers: { 'metadata-flavor': 'Google' },
        // What proves who this node is goes through nobody's hands.
        proxy: 'none',
        maxBytes: maxTokenBytes,
        signal,
      })
    } catch (cause) {
      throw failed(messageOf(cause), cause)
    }
  }
}

function failed(why: string, cause?: unknown): NodeAttestorError {
  const message = `unable to retrieve valid identity token: ${why}`
  return new NodeAttestorError(name, 'ERR_NODE_ATTESTOR_CREDENTIAL', message, { cause })
}
