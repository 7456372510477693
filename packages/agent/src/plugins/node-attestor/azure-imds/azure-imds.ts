import type { HttpClient } from '@mini-spire/runtime/http/http-client'
import { objectIn, stringIn } from '@mini-spire/runtime/json-fields'
import { messageOf } from '@mini-spire/sdk/errors'
import { askAzureMetadata } from '../azure-metadata.ts'
import type { NodeAttestation, NodeAttestor, NodeAttestorCall } from '../node-attestor.ts'
import { NodeAttestorError } from '../node-attestor-error.ts'

const name = 'azure_imds'
const version = '2025-04-07'
const timeoutMs = 10_000
/** Servers ignore what it says, but take no empty payload. */
const payload = 'non_empty_payload'

/** Options of {@link AzureImdsAttestor}: its `plugin_data`. */
export interface AzureImdsOptions {
  readonly http: Pick<HttpClient, 'request'>
  /** By which the server knows the tenant of this machine. */
  readonly tenantDomain: string
}

interface AttestedDocument {
  readonly encoding: string
  readonly signature: string
}

/** Attests by a document that Azure's metadata service signs over a nonce of the server. */
export class AzureImdsAttestor implements NodeAttestor {
  readonly name: string = name
  readonly #options: AzureImdsOptions

  constructor(options: AzureImdsOptions) {
    this.#options = options
  }

  async begin({ signal }: NodeAttestorCall): Promise<NodeAttestation> {
    return {
      payload: Buffer.from(payload),
      answer: async (challenge) => {
        const nonce = Buffer.from(challenge).toString('utf8')
        const document = await failing('unable to fetch attested document', () =>
          this.#fetchDocument(nonce, signal),
        )
        const vmssName = await failing('unable to fetch compute metadata', () =>
          this.#fetchScaleSet(signal),
        )
        const metadata = { agentDomain: this.#options.tenantDomain, vmssName }
        return Buffer.from(JSON.stringify({ document, metadata }))
      },
    }
  }

  async #fetchDocument(nonce: string, signal: AbortSignal): Promise<AttestedDocument> {
    const query = { 'api-version': version, nonce }
    const request = { path: '/attested/document', query, timeoutMs, signal }
    const answer = await askAzureMetadata(this.#options.http, request)
    const [encoding, signature] = [stringIn(answer, 'encoding'), stringIn(answer, 'signature')]
    if (encoding === '') throw new Error('response missing encoding')
    if (signature === '') throw new Error('response missing signature')
    return { encoding, signature }
  }

  /** The scale set that this machine belongs to; null when to none. */
  async #fetchScaleSet(signal: AbortSignal): Promise<string | null> {
    const query = { 'api-version': version, format: 'json' }
    const request = { path: '/instance', query, timeoutMs, signal }
    const answer = await askAzureMetadata(this.#options.http, request)
    const compute = objectIn(answer, 'compute')
    const needed = [
      ['name', 'name'],
      ['subscriptionId', 'subscription id'],
      ['resourceGroupName', 'resource group name'],
    ] as const
    for (const [key, what] of needed) {
      if (stringIn(compute, key) === '') throw new Error(`response missing instance ${what}`)
    }
    return stringIn(compute, 'vmScaleSetName') || null
  }
}

async function failing<T>(what: string, act: () => Promise<T>): Promise<T> {
  try {
    return await act()
  } catch (cause) {
    const message = `${what}: ${messageOf(cause)}`
    throw new NodeAttestorError(name, 'ERR_NODE_ATTESTOR_CHALLENGE', message, { cause })
  }
}
