import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import { FakeClock } from '../clock.test-kit.ts'
import { silentLogger } from '../log/logger.ts'
import { HealthService } from '../proto/grpc/health/v1/health.ts'
import type { CallContext, Peer } from './call-context.ts'
import { createClient, openSvidChannel } from './client.ts'
import { TestAuthority } from './grpc.test-kit.ts'
import { GrpcHost } from './host.ts'
import type { HostLimits } from './host-limits.ts'
import { bindService, notImplemented } from './service.ts'

const authority = new TestAuthority()
const binarySignature = Buffer.from('0d0a0d0a000d0a515549540a', 'hex')

const closers: (() => unknown)[] = []
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close()
})

/** A host that trusts proxies, and what its calls say of their peers. */
async function start(trusted: readonly string[], limits: Partial<HostLimits> = {}) {
  const peers: Peer[] = []
  const clock = new FakeClock()
  const check = (call: CallContext): { status: 1 } => {
    peers.push(call.peer)
    return { status: 1 }
  }
  const unused = { list: notImplemented('List'), watch: notImplemented('Watch') }
  const host = new GrpcHost<CallContext>({
    services: [bindService(HealthService, { check, ...unused })],
    hooks: { before: (call) => call, after: () => {} },
    clock,
    log: silentLogger,
    limits,
  })
  closers.push(() => host.stop(0))
  const { tls } = await authority.issue('spiffe://example.org/spire/server')
  const { port } = await host.listenTls({
    host: '127.0.0.1',
    port: 0,
    credentials: () => tls,
    verifyClient: (chain) => authority.verify(chain),
    proxyTrustedCidrs: trusted,
  })
  return { host, port, peers, clock }
}

/** A proxy in front of a port: sends what it is told before what its client sends. */
async function proxy(port: number, header: Buffer | string, pieces = 1): Promise<number> {
  const server = createServer((client) => {
    client.on('error', () => {})
    const upstream = connect({ host: '127.0.0.1', port, noDelay: true })
    upstream.on('error', () => client.destroy())
    upstream.on('close', () => client.destroy())
    void sendInPieces(upstream, Buffer.from(header as string, 'latin1'), pieces).then(() => {
      client.pipe(upstream).pipe(client)
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  closers.push(() => server.close())
  return (server.address() as AddressInfo).port
}

async function sendInPieces(socket: Socket, bytes: Buffer, pieces: number): Promise<void> {
  const size = Math.max(1, Math.ceil(bytes.length / pieces))
  for (let at = 0; at < bytes.length; at += size)
    await new Promise((resolve) => socket.write(bytes.subarray(at, at + size), resolve))
}

/** One call through a port; resolves when it was answered. */
async function call(port: number): Promise<void> {
  const channel = openSvidChannel({
    address: '127.0.0.1',
    port,
    svid: () => undefined,
    verifyServer: (chain) => void authority.verify(chain),
  })
  try {
    await createClient(HealthService, channel).check({ service: '' })
  } finally {
    channel.close()
  }
}

const v1 = 'PROXY TCP4 192.0.2.7 127.0.0.1 4711 8081\r\n'
const v2 = Buffer.concat([
  binarySignature,
  Buffer.from([0x21, 0x11, 0, 12, 192, 0, 2, 8, 127, 0, 0, 1, 0x12, 0x67, 0x1f, 0x91]),
])

describe('a proxy that is trusted', () => {
  it.each([
    ['text', v1, '192.0.2.7', 1],
    ['text in pieces', v1, '192.0.2.7', 9],
    ['binary', v2.toString('latin1'), '192.0.2.8', 1],
    ['binary in pieces', v2.toString('latin1'), '192.0.2.8', 28],
  ])('tells who the client is (%s)', async (_, header, address, pieces) => {
    const { port, peers } = await start(['10.0.0.0/8', '127.0.0.0/8'])
    await call(await proxy(port, header, pieces))
    expect(peers).toMatchObject([{ kind: 'tls', address, port: 4711 }])
  })

  it.each([
    ['no header', ''],
    ['a header for itself', 'PROXY UNKNOWN\r\n'],
  ])('that sends %s is the client itself', async (_, header) => {
    const { port, peers } = await start(['127.0.0.1/32'])
    await call(await proxy(port, header))
    expect(peers).toMatchObject([{ kind: 'tls', address: '127.0.0.1' }])
  })

  it('that sends garbage after the beginning of a header is cut off', async () => {
    const { port, host } = await start(['127.0.0.1/32'])
    const socket = connect({ host: '127.0.0.1', port })
    socket.write('PROXY TCP4 nobody\r\n')
    await once(socket, 'close')
    expect(host.connectionCount).toBe(0)
  })

  it('that does not finish its header is cut off in time, one byte after the other or none at all', async () => {
    const { port, clock } = await start(['127.0.0.1/32'])
    const [silent, slow] = [connect(port, '127.0.0.1'), connect(port, '127.0.0.1')]
    const ended = Promise.all([once(silent, 'close'), once(slow, 'close')])
    silent.on('error', () => {})
    slow.on('error', () => {})
    slow.write('PROXY ')
    await expect.poll(() => clock.timerCount).toBe(2)
    clock.advance(10_000)
    await ended
  })

  it('is cut off with the host while its header is awaited', async () => {
    const { port, host, clock } = await start(['127.0.0.1/32'])
    const socket = connect({ host: '127.0.0.1', port })
    const ended = once(socket, 'close')
    await expect.poll(() => clock.timerCount).toBe(1)
    await host.stop(0)
    await ended
    await expect.poll(() => clock.timerCount).toBe(0)
  })

  it('does not share the bounds of its clients: each has its own', async () => {
    const { port } = await start(['127.0.0.1/32'], { handshakesPerSecondPerAddress: 0.1 })
    await call(await proxy(port, v1))
    await expect(call(await proxy(port, v1))).rejects.toMatchObject({ code: 'ERR_GRPC_CALL' })
    await call(await proxy(port, v2.toString('latin1')))
  })
})

describe('anybody else', () => {
  it.each([v1, v2.toString('latin1')])('that sends a header is cut off: %j', async (header) => {
    const { port, peers } = await start(['10.0.0.0/8'])
    await expect(call(await proxy(port, header))).rejects.toMatchObject({ code: 'ERR_GRPC_CALL' })
    expect(peers).toEqual([])
  })

  it('that sends none is served', async () => {
    const { port, peers } = await start(['10.0.0.0/8'])
    await call(port)
    expect(peers).toMatchObject([{ address: '127.0.0.1' }])
  })
})
