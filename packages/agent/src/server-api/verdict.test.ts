import { GrpcError } from '@mini-spire/runtime/grpc/client'
import {
  PermissionDeniedDetails,
  PermissionDeniedDetails_Reason as Reason,
} from '@mini-spire/runtime/proto/spire/api/types/status'
import { describe, expect, it } from 'vitest'
import { failedTo } from './failed.ts'
import { isPermissionDenied, isUnknownAuthority, verdictOf } from './verdict.ts'

const typeUrl = 'type.googleapis.com/spire.api.types.PermissionDeniedDetails'

function refusal(reason: number, statusCode = 7): GrpcError {
  const value = PermissionDeniedDetails.encode({ reason } as PermissionDeniedDetails).finish()
  return new GrpcError({ statusCode, statusMessage: 'no', details: [{ typeUrl, value }] })
}

function wrapped(error: unknown): unknown {
  try {
    failedTo('call')(error)
  } catch (outer) {
    return new Error('outermost', { cause: outer })
  }
  return undefined
}

describe('what a refusal means for the agent', () => {
  it.each([
    ['AGENT_EXPIRED', Reason.AGENT_EXPIRED, 'must-reattest'],
    ['AGENT_NOT_ATTESTED', Reason.AGENT_NOT_ATTESTED, 'must-reattest'],
    ['AGENT_NOT_ACTIVE', Reason.AGENT_NOT_ACTIVE, 'must-reattest'],
    ['AGENT_MUST_REATTEST', Reason.AGENT_MUST_REATTEST, 'must-reattest'],
    ['AGENT_BANNED', Reason.AGENT_BANNED, 'banned'],
    ['UNKNOWN', Reason.UNKNOWN, undefined],
  ] as const)('%s', (_, reason, verdict) => {
    expect(verdictOf(refusal(reason))).toBe(verdict)
    expect(verdictOf(wrapped(refusal(reason)))).toBe(verdict)
  })

  it('is nothing when another code carries the detail, or the detail is none', () => {
    expect(verdictOf(refusal(Reason.AGENT_BANNED, 14))).toBeUndefined()
    const details = [{ typeUrl, value: Uint8Array.of(255, 255) }]
    expect(verdictOf(new GrpcError({ statusCode: 7, statusMessage: '', details }))).toBeUndefined()
    expect(verdictOf(undefined)).toBeUndefined()
  })

  it('stays findable behind the call that failed, and what is no answer of the server passes', () => {
    expect(() => failedTo('renew agent')(refusal(Reason.AGENT_BANNED))).toThrow(
      expect.objectContaining({
        code: 'ERR_SERVER_CALL',
        message: expect.stringMatching(/^failed to renew agent: /),
        cause: expect.any(GrpcError),
      }),
    )
    const bug = new TypeError('x is not a function')
    expect(() => failedTo('renew agent')(bug)).toThrow(bug)
  })

  it('finds refusals and lost trust however deep they lie', () => {
    expect(isPermissionDenied(wrapped(refusal(0)))).toBe(true)
    expect(isPermissionDenied(wrapped(refusal(0, 5)))).toBe(false)
    const lost = new GrpcError({
      statusCode: 14,
      statusMessage: 'handshake failed: x509: certificate signed by unknown authority',
    })
    expect([isUnknownAuthority(wrapped(lost)), isUnknownAuthority(refusal(0))]).toEqual([
      true,
      false,
    ])
  })
})
