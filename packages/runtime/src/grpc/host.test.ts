import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { isSpiffeError } from '@mini-spire/sdk/errors'
import { afterEach, describe, expect, it } from 'vitest'
import { systemClock } from '../clock.ts'
import { silentLogger } from '../log/logger.ts'
import { HealthService } from '../proto/grpc/health/v1/health.ts'
import { ApiError } from './api-error.ts'
import type { CallContext } from './call-context.ts'
import type { CallHooks, CallOutcome } from './call-hooks.ts'
import { createClient, type GrpcChannel, GrpcError, openUnixChannel } from './client.ts'
import { ExtendedCall } from './extended-call.ts'
import { GrpcHost } from './host.ts'
import type { HostLimits } from './host-limits.ts'
import { bindService, type HandlersOf, notImplemented } from './service.ts'

type Handlers = HandlersOf<typeof HealthService, CallContext>

const folders: string[] = []
const closers: (() => unknown)[] = []
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close()
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true })
})

interface Started {
  readonly host: GrpcHost<CallContext>
  readonly path: string
  readonly channel: GrpcChannel
  readonly outcomes: CallOutcome[]
}

async function start(
  handlers: Partial<Handlers>,
  options: { hooks?: Partial<CallHooks<CallContext>>; limits?: Partial<HostLimits> } = {},
): Promise<Started> {
  const all: Handlers = {
    check: notImplemented('Check'),
    list: notImplemented('List'),
    watch: notImplemented('Watch'),
    ...handlers,
  }
  const outcomes: CallOutcome[] = []
  const hooks: CallHooks<CallContext> = {
    before: (call) => call,
    after: (_call, outcome) => void outcomes.push(outcome),
    ...options.hooks,
  }
  const folder = mkdtempSync(join(tmpdir(), 'grpc-host-'))
  folders.push(folder)
  const path = join(folder, 'sub', 'api.sock')
  const host = new GrpcHost({
    services: [bindService(HealthService, all)],
    hooks,
    clock: systemClock,
    log: silentLogger,
    ...(options.limits ? { limits: options.limits } : {}),
  })
  await host.listenUnix({ path, mode: 0o770, directoryMode: 0o750 })
  const channel = openUnixChannel(path)
  closers.push(() => host.stop(0))
  closers.push(() => channel.close())
  return { host, path, channel, outcomes }
}

async function failure(work: Promise<unknown>): Promise<GrpcError> {
  const error = await work.then(
    () => undefined,
    (thrown: unknown) => thrown,
  )
  if (!(error instanceof GrpcError)) throw new Error('did not fail as a call', { cause: error })
  return error
}

async function collect<T>(stream: AsyncIterable<T>): Promise<T[]> {
  const items: T[] = []
  for await (const item of stream) items.push(item)
  return items
}

describe('errors', () => {
  it('an ApiError reaches the client with code, text and details as they stand', async () => {
    const details = [{ typeUrl: 'type.googleapis.com/x', value: new Uint8Array([1, 2]) }]
    const message = 'agent “ü%\n\ud800” not found'
    const { channel } = await start({
      check: () => {
        throw new ApiError('not-found', message, { details })
      },
    })
    const error = await failure(createClient(HealthService, channel).check({ service: '' }))
    expect(error.statusCode).toBe(5)
    expect(error.kind).toBe('not-found')
    expect(error.statusMessage).toBe('agent “ü%\n\ufffd” not found')
    expect(error.message).toBe(`rpc error: code = NotFound desc = ${error.statusMessage}`)
    expect(error.details.map(({ typeUrl, value }) => [typeUrl, [...value]])).toEqual([
      ['type.googleapis.com/x', [1, 2]],
    ])
  })

  it('anything else is internal, with the request ID and nothing of what happened', async () => {
    let requestId = ''
    const { channel, outcomes } = await start({
      check: (call) => {
        requestId = call.requestId
        throw new Error('secret')
      },
    })
    const error = await failure(createClient(HealthService, channel).check({ service: '' }))
    expect(error.statusMessage).toBe(`internal error (${requestId})`)
    expect(requestId).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4/)
    expect(outcomes).toMatchObject([{ code: 13, error: { message: 'secret' } }])
  })

  it('unknown services and methods are refused in the words of Go', async () => {
    const { channel } = await start({})
    const other = { ...HealthService.check, path: '/grpc.health.v1.Health/Chek' }
    const client = createClient({ other, foreign: { ...other, path: '/a.B/C' } }, channel)
    expect((await failure(client.other({ service: '' }))).message).toBe(
      'rpc error: code = Unimplemented desc = unknown method Chek for service grpc.health.v1.Health',
    )
    expect((await failure(client.foreign({ service: '' }))).message).toBe(
      'rpc error: code = Unimplemented desc = unknown service a.B',
    )
  })

  it.each([
    ['bytes that are no message', Buffer.from([0xff, 0xff, 0xff]), 'cannot parse invalid'],
    ['text that is not UTF-8', Buffer.from([0x0a, 0x02, 0xc3, 0x28]), 'invalid UTF-8'],
  ])('%s never reach the handler', async (_what, bytes, text) => {
    let calls = 0
    const { channel, outcomes } = await start({
      check: () => {
        calls++
        return { status: 1 }
      },
    })
    const raw = { ...HealthService.check, requestSerialize: () => bytes }
    const error = await failure(createClient({ raw }, channel).raw({ service: '' }))
    expect(error.statusCode).toBe(13)
    expect(error.statusMessage).toContain('grpc: error unmarshalling request: ')
    expect(error.statusMessage).toContain(text)
    expect(calls).toBe(0)
    expect(outcomes.length).toBe(1)
  })

  it('a method nobody wrote says so', async () => {
    const { channel } = await start({})
    const error = await failure(
      collect(createClient(HealthService, channel).watch({ service: '' })),
    )
    expect(error.message).toBe(
      'rpc error: code = Unimplemented desc = method Watch not implemented',
    )
  })

  it('a message beyond the limit is refused before it is read', async () => {
    const { channel } = await start(
      { check: () => ({ status: 1 }) },
      { limits: { maxReceiveBytes: 1000 } },
    )
    const service = 'x'.repeat(2000)
    const error = await failure(createClient(HealthService, channel).check({ service }))
    expect(error.kind).toBe('resource-exhausted')
  })
})

describe('calls', () => {
  it('handlers see the process that calls, the method, and what the hooks added', async () => {
    const seen: unknown[] = []
    const { channel, outcomes } = await start(
      {
        check: (call) => {
          seen.push(call.method, call.peer, 'extra' in call && call.extra, call.metadata('a-b'))
          call.peer.kind === 'unix' && call.peer.assertAlive()
          return { status: 1 }
        },
      },
      { hooks: { before: (call) => Object.assign(new ExtendedCall(call), { extra: 7 }) } },
    )
    const client = createClient(HealthService, channel)
    expect(await client.check({ service: '' }, { metadata: { 'a-b': 'c' } })).toEqual({ status: 1 })
    const [method, peer, extra, metadata] = seen
    expect(method).toBe('/grpc.health.v1.Health/Check')
    expect(peer).toMatchObject({ kind: 'unix', pid: process.pid, uid: process.getuid?.() })
    expect([extra, metadata]).toEqual([7, ['c']])
    expect(outcomes).toMatchObject([{ code: 0, message: '' }])
  })

  it('an answer that is encoded already goes out as it is', async () => {
    const encoded = HealthService.check.responseSerialize({ status: 2 })
    const { channel } = await start({ check: () => new Uint8Array(encoded) })
    expect(await createClient(HealthService, channel).check({ service: '' })).toEqual({ status: 2 })
  })

  it('hooks that refuse keep the call from its handler', async () => {
    let calls = 0
    const refuse = (): never => {
      throw new ApiError('permission-denied', 'no')
    }
    const check = (): { status: 1 } => {
      calls++
      return { status: 1 }
    }
    const { channel, outcomes } = await start({ check }, { hooks: { before: refuse } })
    const error = await failure(createClient(HealthService, channel).check({ service: '' }))
    expect(error.kind).toBe('permission-denied')
    expect([calls, outcomes.length]).toEqual([0, 1])
  })

  it('hooks that fail after a call end neither the call nor the process', async () => {
    const after = (): never => {
      throw new Error('the sink is full')
    }
    const { channel } = await start({ check: () => ({ status: 1 }) }, { hooks: { after } })
    const client = createClient(HealthService, channel)
    for (let n = 0; n < 2; n++) expect(await client.check({ service: '' })).toEqual({ status: 1 })
    expect((await failure(client.list({}))).kind).toBe('unimplemented')
  })

  it('a deadline reaches the handler as an abort', async () => {
    const aborted = settleable()
    let isCalled = false
    const { channel } = await start({
      check: (call) =>
        new Promise((resolve) => {
          isCalled = true
          call.signal.addEventListener('abort', () => {
            aborted.resolve(call.signal.reason)
            resolve({ status: 1 })
          })
        }),
    })
    const client = createClient(HealthService, channel)
    // A machine may be so busy that a deadline has passed before its call arrives: the next one gets more time.
    for (let timeoutMs = 50; !isCalled; timeoutMs *= 2)
      expect((await failure(client.check({ service: '' }, { timeoutMs }))).kind).toBe(
        'deadline-exceeded',
      )
    expect(isSpiffeError(await aborted.promise, 'ERR_API')).toBe(true)
  })
})

describe('streams', () => {
  it('that end well, like other calls, never cost a caller its connection', async () => {
    const peers = new Set<unknown>()
    const { channel } = await start({
      check: (call) => {
        peers.add(call.peer)
        return { status: 1 }
      },
    })
    const client = createClient(HealthService, channel)
    for (let made = 0; made < 1_200; made++) await client.check({ service: '' })
    expect(peers.size).toBe(1)
  })

  it('may be left early thousands of times by one local caller, and none of its calls fails', async () => {
    const { channel, host } = await start({
      async *watch(call) {
        yield { status: 1 }
        await new Promise((resolve) => call.signal.addEventListener('abort', resolve))
      },
    })
    const client = createClient(HealthService, channel)
    for (let left = 0; left < 2_500; left++) {
      for await (const { status } of client.watch({ service: '' })) {
        expect(status).toBe(1)
        break
      }
    }
    expect(host.connectionCount).toBeLessThanOrEqual(2)
  })

  it('a slow reader slows the handler down, and leaving early ends it', async () => {
    let made = 0
    const returned = settleable()
    const ended = settleable()
    const watch: Handlers['watch'] = async function* () {
      try {
        for (;;) {
          made++
          yield new Uint8Array(100_000)
        }
      } finally {
        returned.resolve(undefined)
      }
    }
    const after = (_call: CallContext, outcome: CallOutcome): void => ended.resolve(outcome)
    const { channel } = await start({ watch }, { hooks: { after } })
    const bytes = {
      ...HealthService.watch,
      responseDeserialize: (message: Buffer) => message.length,
    }
    for await (const length of createClient({ bytes }, channel).bytes({ service: '' })) {
      expect(length).toBe(100_000)
      break
    }
    await returned.promise
    expect(made).toBeLessThan(50)
    expect(await ended.promise).toMatchObject({ code: 1 })
  })

  it('stop ends streams with unavailable although their handlers never wake up', async () => {
    const { channel, host } = await start({
      watch: async function* () {
        yield { status: 1 as const }
        await new Promise(() => {})
      },
    })
    const stream = createClient(HealthService, channel)
      .watch({ service: '' })
      [Symbol.asyncIterator]()
    expect(await stream.next()).toMatchObject({ value: { status: 1 } })
    const stopped = host.stop(10_000)
    expect((await failure(stream.next())).message).toBe(
      'rpc error: code = Unavailable desc = server is stopping',
    )
    expect(await stopped).toBe(true)
    expect(host.connectionCount).toBe(0)
  })

  it('stop lets other calls finish for a while, and says whether all did', async () => {
    const wakes: (() => void)[] = []
    const check = async () => {
      await new Promise<void>((resolve) => wakes.push(resolve))
      return { status: 1 as const }
    }
    const open = async () => {
      const { channel, host } = await start({ check })
      const answer = createClient(HealthService, channel).check({ service: '' })
      answer.catch(() => {})
      while (wakes.length === 0) await new Promise((resolve) => setImmediate(resolve))
      return { answer, host, wake: wakes.pop() }
    }
    const finishing = await open()
    const stopped = finishing.host.stop(10_000)
    finishing.wake?.()
    expect(await finishing.answer).toEqual({ status: 1 })
    expect(await stopped).toBe(true)
    const endless = await open()
    expect(await endless.host.stop(1)).toBe(false)
    // Cut off: how the client's library calls that depends on what it had read by then.
    expect((await failure(endless.answer)).message).toMatch(/Unavailable|ended without gRPC status/)
  })

  it('requests of a stream are read as they are asked for, and errors in them end it', async () => {
    const echo = { ...HealthService.watch, path: '/t.E/Echo', requestStream: true as const }
    const folder = mkdtempSync(join(tmpdir(), 'grpc-bidi-'))
    folders.push(folder)
    const path = join(folder, 'a.sock')
    const host = new GrpcHost<CallContext>({
      services: [
        bindService(
          { echo },
          {
            echo: async function* (_call, requests) {
              for await (const { service } of requests)
                yield { status: service.length as 0 | 1 | 2 }
            },
          },
        ),
      ],
      hooks: { before: (call) => call, after: () => {} },
      clock: systemClock,
      log: silentLogger,
    })
    await host.listenUnix({ path, mode: 0o700, directoryMode: 0o700 })
    const channel = openUnixChannel(path)
    closers.push(
      () => host.stop(0),
      () => channel.close(),
    )
    const send = async function* (): AsyncGenerator<{ service: string }> {
      yield { service: 'a' }
      yield { service: 'bb' }
    }
    const client = createClient({ echo }, channel)
    expect(await collect(client.echo(send()))).toEqual([{ status: 1 }, { status: 2 }])
    const bad = { ...echo, requestSerialize: () => Buffer.from([0xff]) }
    const error = await failure(collect(createClient({ bad }, channel).bad(send())))
    expect(error.statusMessage).toBe(
      'grpc: failed to unmarshal the received message: cannot parse invalid wire-format data',
    )
  })

  it('calls that wait beyond the bound are refused, and places come back', async () => {
    const release = settleable()
    const { channel } = await start(
      { check: () => release.promise.then(() => ({ status: 1 as const })) },
      { limits: { maxCallsPerAddress: 2 } },
    )
    const client = createClient(HealthService, channel)
    const calls = [1, 2, 3].map(() => client.check({ service: '' }))
    const refused = await Promise.race(calls.map((call) => failure(call)))
    expect(refused.kind).toBe('resource-exhausted')
    release.resolve(undefined)
    const done = await Promise.allSettled(calls)
    expect(done.map(({ status }) => status).sort()).toEqual(['fulfilled', 'fulfilled', 'rejected'])
    expect(await client.check({ service: '' })).toEqual({ status: 1 })
  })
})

interface Settleable {
  readonly promise: Promise<unknown>
  resolve(value: unknown): void
}

function settleable(): Settleable {
  let settle: (value: unknown) => void = () => {}
  const promise = new Promise<unknown>((resolve) => {
    settle = resolve
  })
  return { promise, resolve: (value) => settle(value) }
}
