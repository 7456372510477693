import type { NodeAttestationContext } from './node-attestor.ts'

/** The side of an agent, in the process of the test. */
export interface FakeAgent {
  /** @default an agent that expects no challenge */
  readonly answer?: (challenge: Uint8Array) => Uint8Array | Promise<Uint8Array>
  readonly attested?: readonly string[]
  readonly clientIp?: string
}

/** What an attestor is handed for one attestation. */
export function attestationContext(agent: FakeAgent = {}): NodeAttestationContext {
  const { answer, attested = [], clientIp = '' } = agent
  return {
    challenge: async (challenge) => {
      if (!answer) throw new Error('no challenge is expected')
      return await answer(challenge)
    },
    clientIp,
    untrustedHost: '',
    isAttested: (id) => attested.includes(id),
    signal: new AbortController().signal,
  }
}
