import { FakeClock } from '@mini-spire/runtime/clock.test-kit'
import type { CallContext } from '@mini-spire/runtime/grpc/call-context'
import { silentLogger } from '@mini-spire/runtime/log/logger'
import { describe, expect, it } from 'vitest'
import { BrokerCallHooks } from './broker-call-hooks.ts'

const svid = '/spiffe.broker.API/SubscribeToX509SVID'
const reflection = '/grpc.reflection.v1.ServerReflection/ServerReflectionInfo'
const oldReflection = '/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo'

function setUp() {
  const counted: string[] = []
  const hooks = new BrokerCallHooks({
    before: (call) => {
      counted.push(call.method)
      return call
    },
    after: (_call, { code }) => void counted.push(`${code}`),
  })
  const call = (method: string, header: readonly string[], isNeighbour = true): CallContext => ({
    peer: {
      kind: 'tls',
      address: '127.0.0.1',
      port: 1,
      chain: [],
      spiffeId: 'spiffe://example.org/broker',
      serialNumber: '1',
      notAfterMs: 0,
      ...(isNeighbour && { process: { pid: 1, uid: 1, gid: 1 } }),
    },
    method,
    requestId: 'r',
    signal: new AbortController().signal,
    clock: new FakeClock(),
    log: silentLogger,
    metadata: (name) => (name === 'broker.spiffe.io' ? header : ['true']),
  })
  return { hooks, counted, call }
}

describe('a call of a broker', () => {
  it.each([[[]], [['false']], [['TRUE']], [['']], [['true', 'true']]])(
    'is refused with the security header %j, whatever it asks, and counted',
    (header) => {
      const { hooks, call, counted } = setUp()
      for (const method of [svid, reflection]) {
        expect(() => hooks.before(call(method, header))).toThrow(
          expect.objectContaining({
            kind: 'invalid-argument',
            message: 'security header missing from request',
          }),
        )
      }
      expect(counted).toEqual([svid, reflection])
    },
  )

  it('goes on with the header, and its end is counted', () => {
    const { hooks, call, counted } = setUp()
    const admitted = hooks.before(call(svid, ['true'], false))
    hooks.after(admitted, { code: 0, message: '', durationMs: 1 })
    expect(counted).toEqual([svid, '0'])
  })

  it.each([reflection, oldReflection])(
    'is told what is served over the Unix socket only: %s',
    (method) => {
      const { hooks, call } = setUp()
      expect(() => hooks.before(call(method, [], false))).toThrow(
        expect.objectContaining({
          kind: 'permission-denied',
          message: 'server reflection is only available over Unix sockets',
        }),
      )
      hooks.before(call(method, ['true']))
    },
  )
})
