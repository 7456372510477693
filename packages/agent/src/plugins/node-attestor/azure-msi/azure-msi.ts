import type { HttpClient } from '@mini-spire/runtime/http/http-client'
import { stringIn } from '@mini-spire/runtime/json-fields'
import { messageOf } from '@mini-spire/sdk/errors'
import { askAzureMetadata } from '../azure-metadata.ts'
import type { NodeAttestation, NodeAttestor, NodeAttestorCall } from '../node-attestor.ts'
import { NodeAttestorError } from '../node-attestor-error.ts'
import { unexpectedChallenge } from '../unexpected-challenge.ts'

const name = 'azure_msi'

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
    const token = await this.#fetchToken(signal).catch((cause: unknown) => {
      const message = `unable to fetch token: ${messageOf(cause)}`
      throw new NodeAttestorError(name, 'ERR_NODE_ATTESTOR_CREDENTIAL', message, { cause })
    })
    return {
      payload: Buffer.from(JSON.stringify({ token })),
      answer: () => Promise.reject(unexpectedChallenge(name)),
    }
  }

  async #fetchToken(signal: AbortSignal): Promise<string> {
    const { http, resourceId } = this.#options
    const answer = await askAzureMetadata(http, {
      path: '/identity/oauth2/token',
      query: { 'api-version': '2018-02-01', resource: resourceId },
      signal,
    })
    const token = stringIn(answer, 'access_token')
    if (token === '') throw new Error('response missing access token')
    return token
  }
}
