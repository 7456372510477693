import {
  AgentService,
  AttestAgentRequest,
  AttestAgentResponse,
  type AttestAgentResponse_Result,
} from '@mini-spire/runtime/proto/spire/api/server/agent/v1/agent'
import { frame, frames, type WireClient } from '../bench/grpc-wire.ts'

/** What one attestation sends. */
export interface AttestationMessages {
  readonly type: string
  readonly payload: Uint8Array
  /** DER. */
  readonly csr: Uint8Array
  /** @default a challenge is an error */
  readonly answer?: (challenge: Uint8Array) => Promise<Uint8Array>
}

/** Attests over a connection, as an agent does. */
export async function attestOver(
  client: WireClient,
  { type, payload, csr, answer }: AttestationMessages,
): Promise<AttestAgentResponse_Result> {
  const stream = client.open(AgentService.attestAgent.path)
  const send = (step: NonNullable<AttestAgentRequest['step']>): void => {
    stream.write(frame(AttestAgentRequest.encode({ step }).finish()))
  }
  send({
    $case: 'params',
    params: { data: { type, payload: Buffer.from(payload) }, params: { csr: Buffer.from(csr) } },
  })
  for await (const message of frames(stream)) {
    const { step } = AttestAgentResponse.decode(message)
    if (step?.$case === 'result') {
      stream.end()
      return step.result
    }
    if (step?.$case !== 'challenge' || !answer) throw new Error('an unexpected challenge')
    send({
      $case: 'challengeResponse',
      challengeResponse: Buffer.from(await answer(step.challenge)),
    })
  }
  throw new Error('attestation ended without an answer')
}
