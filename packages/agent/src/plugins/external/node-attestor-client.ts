import { RequestQueue } from '@mini-spire/runtime/grpc/request-queue'
import type { ExternalPlugin } from '@mini-spire/runtime/plugin-host/external-plugin'
import {
  type Challenge,
  NodeAttestorService,
  type PayloadOrChallengeResponse,
} from '@mini-spire/runtime/proto/spire/plugin/agent/nodeattestor/v1/nodeattestor'
import type {
  NodeAttestation,
  NodeAttestor,
  NodeAttestorCall,
} from '../node-attestor/node-attestor.ts'

/** The service that a plugin needs to have to be an agent's node attestor. */
export const nodeAttestorService = 'spire.plugin.agent.nodeattestor.v1.NodeAttestor'

/** An agent's node attestor in another process. */
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
  async begin({ signal }: NodeAttestorCall): Promise<NodeAttestation> {
    const plugin = this.#plugin
    const challenges = new RequestQueue<Challenge>()
    signal.addEventListener('abort', () => challenges.end(), { once: true })
    const stream = plugin.client(NodeAttestorService).aidAttestation(challenges, { signal })
    const answers = plugin.answers(stream)[Symbol.asyncIterator]()
    const next = async (whatEnded: string): Promise<PayloadOrChallengeResponse['data']> => {
      const answer = await answers.next()
      if (answer.done) {
        challenges.end()
        throw plugin.badAnswer(`plugin closed stream before ${whatEnded}`)
      }
      return answer.value.data
    }
    const first = await next('returning attestation data')
    if (first?.$case !== 'payload' || first.payload.length === 0) {
      await answers.return?.()
      throw plugin.badAnswer('plugin response missing attestation payload')
    }
    return {
      payload: first.payload,
      async answer(challenge) {
        challenges.push({ challenge })
        const data = await next('handling the challenge')
        if (data?.$case !== 'challengeResponse' || data.challengeResponse.length === 0) {
          throw plugin.badAnswer('plugin response missing challenge response')
        }
        return data.challengeResponse
      },
    }
  }
}
