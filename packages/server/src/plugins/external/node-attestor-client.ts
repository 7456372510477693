import { RequestQueue } from '@mini-spire/runtime/grpc/request-queue'
import type { ExternalPlugin } from '@mini-spire/runtime/plugin-host/external-plugin'
import {
  type AgentAttributes,
  type AttestRequest,
  NodeAttestorService,
} from '@mini-spire/runtime/proto/spire/plugin/server/nodeattestor/v1/nodeattestor'
import type {
  NodeAttestation,
  NodeAttestationContext,
  NodeAttestor,
} from '../node-attestor/node-attestor.ts'

/** The service that a plugin needs to have to be a node attestor. */
export const nodeAttestorService = 'spire.plugin.server.nodeattestor.v1.NodeAttestor'

/** A node attestor in another process. */
export class ExternalNodeAttestor implements NodeAttestor {
  readonly name: string
  readonly #plugin: ExternalPlugin

  constructor(plugin: ExternalPlugin) {
    this.name = plugin.name
    this.#plugin = plugin
  }

  /**
   * @throws {PluginCallError} what the plugin refused with
   * @throws {PluginError} `ERR_PLUGIN_STOPPED`, `ERR_PLUGIN_RESPONSE`
   */
  async attest(payload: Uint8Array, context: NodeAttestationContext): Promise<NodeAttestation> {
    const requests = new RequestQueue<AttestRequest>({ request: { $case: 'payload', payload } })
    const responses = this.#plugin.client(NodeAttestorService).attest(requests, {
      signal: context.signal,
      metadata: {
        'x-untrusted-forwarded-host': hostOf(context.untrustedHost),
        'x-forwarded-client-ip': context.clientIp,
      },
    })
    try {
      for await (const { response } of this.#plugin.answers(responses)) {
        switch (response?.$case) {
          case 'agentAttributes':
            return this.#attestation(response.agentAttributes)
          case 'challenge': {
            const challengeResponse = await context.challenge(response.challenge)
            requests.push({ request: { $case: 'challengeResponse', challengeResponse } })
            break
          }
          default:
            throw this.#plugin.badAnswer('plugin response missing challenge or agent attributes')
        }
      }
    } finally {
      requests.end()
    }
    throw this.#plugin.badAnswer('plugin closed stream unexpectedly')
  }

  #attestation({ spiffeId, selectorValues, canReattest }: AgentAttributes): NodeAttestation {
    if (spiffeId === '') throw this.#plugin.badAnswer('plugin response missing agent ID')
    return { agentId: spiffeId, selectorValues, canReattest }
  }
}

/** The host of an authority, without its port; empty when it cannot stand in a header. */
function hostOf(authority: string): string {
  const host = authority.replace(/:\d*$/, '').replace(/^\[(.*)\]$/, '$1')
  return /^[\x21-\x7e]*$/.test(host) ? host : ''
}
