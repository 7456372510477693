import { FakeClock } from '@mini-spire/runtime/clock.test-kit'
import { silentLogger } from '@mini-spire/runtime/log/logger'
import { SpiffeId } from '@mini-spire/sdk/spiffe-id'
import { describe, expect, it } from 'vitest'
import type { AgentAttestation, AttestAgentContext } from '../../attestation/attest-agent.ts'
import { noAudit } from '../../audit/audit-event.ts'
import type { ServerCall } from '../../authorization/caller.ts'
import { attestationTimeoutMs, serveAttestation } from './service-attest.ts'

const evidence = {
  step: {
    $case: 'params' as const,
    params: {
      data: { type: 'pod', payload: Uint8Array.of(1) },
      params: { csr: Uint8Array.of(1) },
    },
  },
}
const spiffeId = SpiffeId.parse('spiffe://example.org/spire/agent/pod/1')
const svid = { chain: [Uint8Array.of(9)], spiffeId, expiresAtSeconds: 5, serialNumber: '1' }

function callAt(clock: FakeClock): ServerCall {
  return {
    peer: { kind: 'unix', pid: 1, uid: 0, gid: 0, assertAlive: () => {} },
    method: '/spire.api.server.agent.v1.Agent/AttestAgent',
    requestId: 'r',
    signal: new AbortController().signal,
    clock,
    log: silentLogger,
    metadata: () => [],
    caller: { class: 'anonymous', spiffeId: undefined },
    audit: noAudit,
    addLogFields: () => {},
  }
}

const attestationBy = (
  attest: (context: AttestAgentContext) => Promise<{ svid: typeof svid; canReattest: boolean }>,
): AgentAttestation =>
  ({
    attest: (_: unknown, context: AttestAgentContext) => attest(context),
  }) as unknown as AgentAttestation

describe('an attestation stream', () => {
  it('carries challenges out and answers in, in order, and the result last', async () => {
    const attestation = attestationBy(async ({ challenge }) => {
      expect(await challenge(Uint8Array.of(1))).toEqual(Uint8Array.of(11))
      expect(await challenge(Uint8Array.of(2))).toEqual(Uint8Array.of(12))
      return { svid, canReattest: true }
    })
    const requests = (async function* () {
      yield evidence
      for (const answer of [11, 12]) {
        yield {
          step: { $case: 'challengeResponse' as const, challengeResponse: Uint8Array.of(answer) },
        }
      }
    })()
    const clock = new FakeClock()
    const steps: (string | undefined)[] = []
    for await (const { step } of serveAttestation(callAt(clock), requests, attestation)) {
      steps.push(step?.$case)
    }
    expect(steps).toEqual(['challenge', 'challenge', 'result'])
    expect(clock.timerCount).toBe(0)
  })

  it('of an agent that says nothing ends after a minute [gate 9]', async () => {
    const clock = new FakeClock()
    const silence = (async function* () {
      await new Promise(() => {})
      yield evidence
    })()
    const attestation = attestationBy(() => Promise.reject(new Error('not reached')))
    const first = serveAttestation(callAt(clock), silence, attestation).next()
    const refusal = expect(first).rejects.toMatchObject({ kind: 'deadline-exceeded' })
    clock.advance(attestationTimeoutMs)
    await refusal
    expect(clock.timerCount).toBe(0)
  })

  it('that its agent leaves lets the attestor go too', async () => {
    const clock = new FakeClock()
    let attestor: Promise<unknown> = Promise.resolve()
    let again: () => Promise<unknown> = () => Promise.resolve()
    const attestation = attestationBy(({ challenge }) => {
      again = () => challenge(Uint8Array.of(2))
      attestor = challenge(Uint8Array.of(1))
      return attestor.then(() => ({ svid, canReattest: true }))
    })
    const requests = (async function* () {
      yield evidence
      await new Promise(() => {})
    })()
    const stream = serveAttestation(callAt(clock), requests, attestation)
    expect((await stream.next()).value).toMatchObject({ step: { $case: 'challenge' } })
    const left = stream.return()
    await expect(attestor).rejects.toMatchObject({ code: 'ERR_NODE_CHALLENGE_FAILED' })
    await expect(again()).rejects.toMatchObject({ code: 'ERR_NODE_CHALLENGE_FAILED' })
    await left
    expect(clock.timerCount).toBe(0)
  })
})
