import { FakeClock } from '@mini-spire/runtime/clock.test-kit'
import type { CallContext } from '@mini-spire/runtime/grpc/call-context'
import { type LogFields, type Logger, silentLogger } from '@mini-spire/runtime/log/logger'
import { noMetrics } from '@mini-spire/runtime/telemetry/metrics'
import { describe, expect, it } from 'vitest'
import { AgentCallHooks } from './call-hooks.ts'

function callOf(header: readonly string[]): { call: CallContext; given: LogFields[] } {
  const given: LogFields[] = []
  const log: Logger = {
    ...silentLogger,
    isEnabled: () => true,
    with: (fields) => {
      given.push(fields)
      return silentLogger
    },
  }
  const call: CallContext = {
    peer: { kind: 'unix', pid: 7, uid: 1, gid: 1, assertAlive: () => {} },
    method: '/SpiffeWorkloadAPI/FetchX509SVID',
    requestId: 'r',
    signal: new AbortController().signal,
    clock: new FakeClock(),
    log,
    metadata: () => header,
  }
  return { call, given }
}

describe('every line of a call', () => {
  const hooks = new AgentCallHooks({ metrics: noMetrics, ownPid: 1 })

  it('names method, service and caller, which are put together once and only when asked for', () => {
    const { call, given } = callOf(['true'])
    const admitted = hooks.before(call)
    expect(given).toEqual([])
    admitted.log.info('first')
    admitted.log.info('second')
    expect(given).toEqual([{ method: 'FetchX509SVID', service: 'WorkloadAPI', pid: 7 }])
    expect([admitted.method, admitted.peer]).toEqual([call.method, call.peer])
  })

  it.each([[[]], [['false']], [['true', 'true']]])(
    'is not reached without the security header: %j',
    (header) => {
      expect(() => hooks.before(callOf(header).call)).toThrow(
        'security header missing from request',
      )
    },
  )
})
