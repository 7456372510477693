import { ApiError } from '@mini-spire/runtime/grpc/api-error'
import type {
  AttestAgentRequest,
  AttestAgentResponse,
} from '@mini-spire/runtime/proto/spire/api/server/agent/v1/agent'
import { messageOf } from '@mini-spire/sdk/errors'
import type {
  AgentAttestation,
  AttestAgentRequest as Evidence,
} from '../../attestation/attest-agent.ts'
import { AttestationError } from '../../attestation/attestation-error.ts'
import { causeOf, type ServerCall } from '../../authorization/caller.ts'
import { x509SvidToProto } from '../svid/convert.ts'
import { Challenges } from './challenges.ts'
import { messages } from './messages.ts'

/** How long an agent may take from its first message to its last: a stranger cannot keep a stream for ever. */
export const attestationTimeoutMs = 60_000

/** Serves one AttestAgent stream: parameters in, challenges out and answers in, the SVID out. */
export async function* serveAttestation(
  call: ServerCall,
  requests: AsyncIterable<AttestAgentRequest>,
  attestation: AgentAttestation,
): AsyncGenerator<AttestAgentResponse, void> {
  const reader = new AgentMessages(call, requests)
  const challenges = new Challenges()
  try {
    const evidence = await reader.evidence()
    const attestorField = { node_attestor_type: evidence.attestationType }
    call.audit.addFields(attestorField)
    call.addLogFields(attestorField)
    const outcome = attestation
      .attest(evidence, {
        challenge: (challenge) => challenges.ask(challenge),
        clientIp: call.peer.kind === 'tls' ? call.peer.address : '',
        untrustedHost: call.metadata(':authority')[0] ?? '',
        signal: call.signal,
        cause: causeOf(call, 'agent attestation'),
        log: call.log,
        onAgentId: (id) => {
          const fields = { agent_id: String(id) }
          call.audit.addFields(fields)
          call.addLogFields(fields)
        },
      })
      .finally(() => challenges.close())
    // Whatever becomes of the stream, nobody is left to hear of it but the loop below.
    outcome.catch(() => {})
    for await (const { challenge, resolve } of challenges.pending()) {
      yield { step: { $case: 'challenge', challenge } }
      resolve(await reader.answer())
    }
    const { svid, canReattest } = await outcome
    const address = call.peer.kind === 'tls' ? `${call.peer.address}:${call.peer.port}` : '@'
    call.log.info('Agent attestation request completed', { address })
    const result = { svid: x509SvidToProto(svid), reattestable: canReattest }
    yield { step: { $case: 'result', result } }
  } finally {
    challenges.fail(
      () => new AttestationError('ERR_NODE_CHALLENGE_FAILED', messages.challengeFailed),
    )
    reader.stop()
  }
}

/** The agent's side of the stream, with a deadline for all of it. */
class AgentMessages {
  readonly #messages: AsyncIterator<AttestAgentRequest>
  readonly #timer: { cancel(): void }
  readonly #timeout: Promise<never>

  constructor(call: ServerCall, requests: AsyncIterable<AttestAgentRequest>) {
    this.#messages = requests[Symbol.asyncIterator]()
    let expire = (): void => {}
    this.#timeout = new Promise<never>((_, reject) => {
      expire = () => reject(new ApiError('deadline-exceeded', 'attestation took too long'))
    })
    this.#timeout.catch(() => {})
    this.#timer = call.clock.setTimer(attestationTimeoutMs, () => expire())
  }

  async evidence(): Promise<Evidence> {
    const message = await this.#next('invalid-argument', messages.receiveFailed)
    const params = message.step?.$case === 'params' ? message.step.params : undefined
    if (!params) throw malformedParam('missing params')
    const { data, params: svidParams } = params
    if (!data) throw malformedParam('missing attestation data')
    if (!svidParams) throw malformedParam('missing X509-SVID parameters')
    if (svidParams.csr.length === 0) throw malformedParam('missing CSR')
    if (data.type === '') throw malformedParam('missing attestation data type')
    if (data.payload.length === 0) throw malformedParam('missing attestation data payload')
    return { attestationType: data.type, payload: data.payload, csr: svidParams.csr }
  }

  async answer(): Promise<Uint8Array> {
    const { step } = await this.#next('internal', messages.challengeFailed)
    return step?.$case === 'challengeResponse' ? step.challengeResponse : new Uint8Array()
  }

  stop(): void {
    this.#timer.cancel()
  }

  async #next(kind: 'invalid-argument' | 'internal', failure: string): Promise<AttestAgentRequest> {
    try {
      const next = await Promise.race([this.#messages.next(), this.#timeout])
      if (next.done) throw new Error('EOF')
      return next.value
    } catch (cause) {
      if (cause instanceof ApiError) throw cause
      throw new ApiError(kind, `${failure}: ${messageOf(cause)}`, { cause })
    }
  }
}

function malformedParam(what: string): ApiError {
  return new ApiError('invalid-argument', `${messages.malformedParam}: ${what}`)
}
