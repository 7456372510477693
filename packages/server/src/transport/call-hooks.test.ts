import { FakeClock } from '@mini-spire/runtime/clock.test-kit'
import { ApiError } from '@mini-spire/runtime/grpc/api-error'
import { createServerCall } from '@mini-spire/runtime/grpc/call'
import type { CallContext, Peer } from '@mini-spire/runtime/grpc/call-context'
import { type LogFields, type Logger, silentLogger } from '@mini-spire/runtime/log/logger'
import { SpiffeId } from '@mini-spire/sdk/spiffe-id'
import { beforeEach, describe, expect, it } from 'vitest'
import { AgentDeniedError } from '../authorization/agent-denied-error.ts'
import type { Authorized } from '../authorization/caller.ts'
import { ServerCallHooks } from './call-hooks.ts'

type Lines = { readonly message: string; readonly fields: LogFields }[]

const method = '/spire.api.server.entry.v1.Entry/GetEntry'
const admin = SpiffeId.parse('spiffe://example.org/admin')
const remote: Peer = {
  kind: 'tls',
  address: '10.0.0.1',
  port: 4000,
  chain: [],
  spiffeId: String(admin),
  serialNumber: '1',
  notAfterMs: 0,
}
const local: Peer = { kind: 'unix', pid: process.pid, uid: 7, gid: 8, assertAlive: () => {} }
const asAdmin: Authorized = {
  caller: { class: 'admin', spiffeId: admin, via: 'config' },
  as: 'admin',
  via: 'config',
}
const callFields = { method: 'GetEntry', service: 'entry.v1.Entry' }

/** A logger whose lines have the fields of those it was made from. */
function loggerOf(kept: Lines, fields: LogFields = {}): Logger {
  const write = (message: string, more: LogFields = {}): void => {
    kept.push({ message, fields: { ...fields, ...more } })
  }
  const made = (more: LogFields): Logger => loggerOf(kept, { ...fields, ...more })
  return {
    ...silentLogger,
    isEnabled: () => true,
    with: made,
    log: (_, ...line) => write(...line),
    info: write,
    error: write,
  }
}

let lines: Lines
let counted: string[]

beforeEach(() => {
  lines = []
  counted = []
})

function hooksWith(authorize: () => Promise<Authorized>, isAuditEnabled = true): ServerCallHooks {
  const count = (path: string, { code }: { readonly code: number }): void => {
    counted.push(`${path} ${code}`)
  }
  return new ServerCallHooks({ authorize, count, isAuditEnabled })
}

const callFrom = (peer: Peer, path = method): CallContext =>
  createServerCall({
    peer,
    method: path,
    clock: new FakeClock(),
    log: loggerOf(lines),
    metadata: () => [],
  }).context

describe('a call that is let in', () => {
  it('has one audit line with who asked for what, from where, and how it ended', async () => {
    const hooks = hooksWith(() => Promise.resolve(asAdmin))
    const call = await hooks.before(callFrom(remote), {})
    call.audit.addFields({ entry_id: 'x' })
    hooks.after(call, { code: 5, message: 'entry not found', durationMs: 1 })
    expect(lines).toEqual([
      {
        message: 'API accessed',
        fields: {
          ...callFields,
          request_id: call.requestId,
          caller_addr: '10.0.0.1:4000',
          caller_id: String(admin),
          authorized_as: 'admin',
          authorized_via: 'config',
          type: 'audit',
          entry_id: 'x',
          status: 'error',
          status_code: 'NotFound',
          status_message: 'entry not found',
        },
      },
    ])
    expect(counted).toEqual([`${method} 5`])
  })

  it('has what handlers add in the lines of its log, and not in its audit line', async () => {
    const hooks = hooksWith(() => Promise.resolve(asAdmin))
    const call = await hooks.before(callFrom(remote), {})
    call.log.info('before')
    call.addLogFields({ spiffe_id: 'x' })
    call.addLogFields({ entry_id: 'y' })
    call.log.info('after')
    hooks.after(call, { code: 0, message: '', durationMs: 1 })
    expect(lines.map(({ fields: { spiffe_id, entry_id } }) => [spiffe_id, entry_id])).toEqual([
      [undefined, undefined],
      ['x', 'y'],
      [undefined, undefined],
    ])
  })

  it('over the socket is told of by process instead of address', async () => {
    const caller = { class: 'local', uid: 7, gid: 8, pid: process.pid } as const
    const hooks = hooksWith(() => Promise.resolve({ caller, as: 'local', via: 'transport' }))
    const call = await hooks.before(callFrom(local), {})
    hooks.after(call, { code: 0, message: '', durationMs: 1 })
    expect(lines[0]?.fields).toEqual({
      ...callFields,
      request_id: call.requestId,
      authorized_as: 'local',
      authorized_via: 'transport',
      type: 'audit',
      status: 'success',
      caller_uid: 7,
      caller_gid: 8,
      caller_path: process.execPath,
    })
  })

  it('writes nothing without an audit log, and puts an IPv6 address in brackets', async () => {
    const hooks = hooksWith(() => Promise.resolve(asAdmin), false)
    const call = await hooks.before(callFrom({ ...remote, address: '::1' }), {})
    hooks.after(call, { code: 0, message: '', durationMs: 1 })
    expect(lines).toEqual([])
    call.log.info('something')
    expect(lines[0]?.fields).toMatchObject({ caller_addr: '[::1]:4000' })
  })
})

describe('a call of what probes ask', () => {
  it.each([
    ['/grpc.health.v1.Health/Check', 0, 0],
    ['/grpc.health.v1.Health/Check', 3, 1],
    ['/spire.api.server.debug.v1.Debug/GetInfo', 0, 0],
    ['/spire.api.server.debug.v1.Debug/GetInfo', 13, 1],
  ])('%s has an audit line only when it fails (%d: %d)', async (path, code, count) => {
    const caller = { class: 'local', uid: 7, gid: 8, pid: process.pid } as const
    const hooks = hooksWith(() => Promise.resolve({ caller, as: 'local', via: 'transport' }))
    const call = await hooks.before(callFrom(local, path), {})
    hooks.after(call, { code, message: '', durationMs: 1 })
    expect(lines).toHaveLength(count)
  })
})

describe('a call that is not let in', () => {
  it('as that of an agent says first why, for the log alone', async () => {
    const serials = { svid_serial_num: '2', serial_num: '1' }
    const denied = new AgentDeniedError('denied', 'AGENT_NOT_ACTIVE', serials)
    const hooks = hooksWith(() => Promise.reject(denied))
    const context = callFrom(remote)
    await expect(hooks.before(context, {})).rejects.toBe(denied)
    const caller = { caller_addr: '10.0.0.1:4000', caller_id: String(admin) }
    const fields = { ...callFields, ...caller, request_id: context.requestId }
    expect(lines).toEqual([
      {
        message: 'Agent SVID is not active',
        fields: { ...fields, authorized_as: 'nobody', authorized_via: '', ...serials },
      },
      {
        message: 'Failed to authenticate caller',
        fields: { ...fields, error: 'rpc error: code = PermissionDenied desc = denied' },
      },
    ])
  })

  it.each([
    [
      'permission-denied',
      'Failed to authenticate caller',
      'rpc error: code = PermissionDenied desc = no',
    ],
    ['unknown', 'Authorization failure from OPA auth', 'no'],
    ['internal', 'Authorization failure from OPA auth', 'no'],
  ] as const)(
    'as %s is logged as “%s”, counted, and has no audit line',
    async (kind, message, error) => {
      const hooks = hooksWith(() => Promise.reject(new ApiError(kind, 'no')))
      const context = callFrom(remote)
      await expect(hooks.before(context, {})).rejects.toThrow('no')
      hooks.after(context, { code: 7, message: 'no', durationMs: 1 })
      expect(lines).toEqual([
        {
          message,
          fields: {
            ...callFields,
            request_id: context.requestId,
            caller_addr: '10.0.0.1:4000',
            caller_id: String(admin),
            error,
          },
        },
      ])
      expect(counted).toEqual([`${method} 7`])
    },
  )
})
