import { createClient, type GrpcChannel, GrpcError } from '@mini-spire/runtime/grpc/client'
import { isConnectionError } from '@mini-spire/runtime/grpc/go-words'
import { RequestQueue } from '@mini-spire/runtime/grpc/request-queue'
import {
  AgentService,
  type AttestAgentRequest,
  type AttestAgentResponse,
} from '@mini-spire/runtime/proto/spire/api/server/agent/v1/agent'
import { BundleService } from '@mini-spire/runtime/proto/spire/api/server/bundle/v1/bundle'
import { messageOf } from '@mini-spire/sdk/errors'
import type { TrustBundle } from '../model/trust-bundle.ts'
import { bundleFromProto } from './convert.ts'
import type { AttestationApi, IssuedAgentSvid } from './server-api.ts'
import { ServerApiError } from './server-api-error.ts'

/** How long one call may take. A challenge and its answer are part of one. */
const timeoutMs = 30_000

type AttestRequest = Parameters<AttestationApi['attest']>[0]

/** The calls before there is an SVID, on a connection of their own. */
export class AttestationClient implements AttestationApi {
  readonly #channel: GrpcChannel

  constructor(channel: GrpcChannel) {
    this.#channel = channel
  }

  async attest(request: AttestRequest): Promise<IssuedAgentSvid> {
    const { signal } = request
    const requests = new RequestQueue(firstMessage(request))
    const responses = createClient(AgentService, this.#channel).attestAgent(requests, {
      signal,
      timeoutMs,
    })
    let issued: IssuedAgentSvid | undefined
    try {
      for await (const response of received(responses)) {
        if (issued) continue
        if (response.step?.$case === 'challenge') {
          const challengeResponse = await request.attestation.answer(response.step.challenge)
          requests.push({ step: { $case: 'challengeResponse', challengeResponse } })
          continue
        }
        issued = issuedFrom(response)
        requests.end()
      }
    } catch (error) {
      // What happens to the stream after the result changes nothing.
      if (!issued) throw error
    } finally {
      requests.end()
    }
    if (!issued) throw missing('attest response is missing SVID')
    return issued
  }

  async getBundle(signal: AbortSignal): Promise<TrustBundle> {
    const client = createClient(BundleService, this.#channel)
    return bundleFromProto(await client.getBundle({ outputMask: undefined }, { signal, timeoutMs }))
  }

  close(): void {
    this.#channel.close()
  }
}

function firstMessage({ type, attestation, csr }: AttestRequest): AttestAgentRequest {
  const data = { type, payload: attestation.payload }
  return { step: { $case: 'params', params: { data, params: { csr } } } }
}

async function* received(
  responses: AsyncIterable<AttestAgentResponse>,
): AsyncIterable<AttestAgentResponse> {
  try {
    yield* responses
  } catch (error) {
    const neverConnected = error instanceof GrpcError && isConnectionError(error.statusMessage)
    const what = neverConnected
      ? 'could not open attestation stream to SPIRE server'
      : 'failed to receive attestation response'
    throw new ServerApiError('ERR_SERVER_CALL', `${what}: ${messageOf(error)}`, { cause: error })
  }
}

function issuedFrom(response: AttestAgentResponse): IssuedAgentSvid {
  const result = response.step?.$case === 'result' ? response.step.result : undefined
  if (!result?.svid) throw missing('attest response is missing SVID')
  if (result.svid.certChain.length === 0) throw missing('empty SVID cert chain')
  return { chain: result.svid.certChain, isReattestable: result.reattestable }
}

function missing(what: string): ServerApiError {
  return new ServerApiError('ERR_SERVER_ANSWER', `failed to parse attestation response: ${what}`)
}
