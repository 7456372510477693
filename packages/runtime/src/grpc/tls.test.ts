import { once } from 'node:events'
import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  connect as connectHttp2,
  constants,
  type OutgoingHttpHeaders,
} from 'node:http2'
import { connect as connectTcp, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { gzipSync } from 'node:zlib'
import { afterEach, describe, expect, it } from 'vitest'
import { FakeClock } from '../clock.test-kit.ts'
import { type Clock, systemClock } from '../clock.ts'
import { preface } from '../http2/protocol.ts'
import { silentLogger } from '../log/logger.ts'
import { HealthService } from '../proto/grpc/health/v1/health.ts'
import type { CallContext, Peer, TlsPeer } from './call-context.ts'
import { createClient, GrpcError, openSvidChannel, type SvidChannelOptions } from './client.ts'
import { TestAuthority, type TestSvid } from './grpc.test-kit.ts'
import { GrpcHost } from './host.ts'
import type { HostLimits } from './host-limits.ts'
import { bindService, type HandlersOf, notImplemented } from './service.ts'

const authority = new TestAuthority()
const foreign = new TestAuthority()
const serverId = 'spiffe://example.org/spire/server'
const agentId = 'spiffe://example.org/spire/agent/a'

const closers: (() => unknown)[] = []
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close()
})

interface Started {
  readonly host: GrpcHost<CallContext>
  readonly port: number
  readonly peers: Peer[]
  /** What the server presents; the test may change it. */
  readonly presented: { svid: TestSvid }
  open(options?: Partial<SvidChannelOptions>): ReturnType<typeof openHealth>
}

function openHealth(options: SvidChannelOptions) {
  const channel = openSvidChannel(options)
  closers.push(() => channel.close())
  return createClient(HealthService, channel)
}

async function start(
  options: {
    limits?: Partial<HostLimits>
    maxConnectionAgeMs?: number
    outlivesCertificate?: (peer: TlsPeer) => boolean
    clock?: Clock
    watch?: HandlersOf<typeof HealthService, CallContext>['watch']
  } = {},
): Promise<Started> {
  const { limits, maxConnectionAgeMs, clock = systemClock, outlivesCertificate } = options
  const { watch = notImplemented('Watch') } = options
  const peers: Peer[] = []
  const check = (call: CallContext): { status: 1 } => {
    peers.push(call.peer)
    return { status: 1 }
  }
  const host = new GrpcHost<CallContext>({
    services: [bindService(HealthService, { check, list: notImplemented('List'), watch })],
    hooks: { before: (call) => call, after: () => {} },
    clock,
    log: silentLogger,
    ...(limits && { limits }),
  })
  closers.push(() => host.stop(0))
  const presented = { svid: await authority.issue(serverId) }
  const { port } = await host.listenTls({
    host: '127.0.0.1',
    port: 0,
    credentials: () => presented.svid.tls,
    verifyClient: (chain) => authority.verify(chain),
    ...(maxConnectionAgeMs === undefined ? {} : { maxConnectionAgeMs }),
    ...(outlivesCertificate && { outlivesCertificate }),
  })
  const base: SvidChannelOptions = {
    address: '127.0.0.1',
    port,
    svid: () => undefined,
    verifyServer: (chain) => void authority.verify(chain),
  }
  return { host, port, peers, presented, open: (more) => openHealth({ ...base, ...more }) }
}

async function failure(work: Promise<unknown>): Promise<GrpcError> {
  const error: unknown = await work.then(
    () => undefined,
    (thrown: unknown) => thrown,
  )
  if (!(error instanceof GrpcError)) throw new Error('did not fail as a call', { cause: error })
  return error
}

const request = { service: '' }

/** Resolves when the peer has closed the connection. */
function closed(socket: Socket): Promise<void> {
  return new Promise((resolve) => {
    socket.on('error', () => {})
    if (socket.closed) resolve()
    socket.once('close', () => resolve())
    socket.resume()
  })
}

describe('who connects over TLS', () => {
  it('a client without a certificate is let in, without an identity', async () => {
    const { open, peers } = await start()
    await open().check(request)
    expect(peers).toMatchObject([{ kind: 'tls', address: '127.0.0.1', chain: [] }])
    expect((peers[0] as TlsPeer).spiffeId).toBeUndefined()
  })

  it('a client with one is who the check says, with chain, serial number and expiry', async () => {
    const { open, peers } = await start()
    const svid = await authority.issue(agentId)
    await open({ svid: () => svid }).check(request)
    const peer = peers[0] as TlsPeer
    expect(peer.spiffeId).toBe(agentId)
    expect(peer.chain).toEqual(svid.chain)
    expect(peer.notAfterMs).toBe(4_000_000_000_000)
    expect(peer.serialNumber).toMatch(/^\d+$/)
  })

  it('a certificate that the check refuses does not become an anonymous caller', async () => {
    const { open, peers, host } = await start()
    const svid = await foreign.issue(agentId)
    expect((await failure(open({ svid: () => svid }).check(request))).kind).toBe('unavailable')
    expect([peers.length, host.connectionCount]).toEqual([0, 0])
  })

  it('a server that the client does not trust gets no call', async () => {
    const { open, peers } = await start()
    const error = await failure(
      open({ verifyServer: (chain) => void foreign.verify(chain) }).check(request),
    )
    expect(error.kind).toBe('unavailable')
    expect(error.statusMessage).toContain('unknown authority')
    expect(peers.length).toBe(0)
  })

  it('new connections use new identities on both sides, one that exists keeps what it has', async () => {
    const { open, presented, host, peers } = await start()
    const seen: string[] = []
    let svid = await authority.issue(`${agentId}1`)
    const client = open({
      svid: () => svid,
      verifyServer: (chain) => void seen.push(authority.verify(chain).spiffeId),
    })
    await client.check(request)
    presented.svid = await authority.issue(`${serverId}2`)
    svid = await authority.issue(`${agentId}2`)
    host.updateCredentials()
    await client.check(request)
    expect(seen).toEqual([serverId])
    expect(
      host.closeConnections((peer) => peer.kind === 'tls' && peer.spiffeId === `${agentId}1`),
    ).toBe(1)
    await client.check(request).catch(() => client.check(request))
    expect(seen).toEqual([serverId, `${serverId}2`])
    expect(peers.map((peer) => peer.kind === 'tls' && peer.spiffeId)).toEqual([
      `${agentId}1`,
      `${agentId}1`,
      `${agentId}2`,
    ])
  })

  it('eviction ends a stream in progress', async () => {
    const { open, host } = await start({
      watch: async function* () {
        yield { status: 1 as const }
        await new Promise(() => {})
      },
    })
    const stream = open().watch(request)[Symbol.asyncIterator]()
    await stream.next()
    const next = failure(stream.next())
    expect(host.closeConnections(() => true)).toBe(1)
    expect((await next).kind).toBe('unavailable')
  })

  it('a connection that is old enough is told to go elsewhere, and calls go on over a new one', async () => {
    const clock = new FakeClock()
    const { open, host } = await start({ maxConnectionAgeMs: 10_000, clock })
    const client = open()
    await client.check(request)
    clock.advance(20_000)
    await expect.poll(() => host.connectionCount).toBe(0)
    await client.check(request)
  })
})

describe('a host that stops', () => {
  it('serves nobody whose handshake was under way', async () => {
    const { host, port } = await start()
    const tcp = connectTcp(port, '127.0.0.1')
    await new Promise((resolve) => tcp.once('connect', resolve))
    // The host accepts it in one of the next turns of the loop that they share.
    for (let n = 0; n < 10; n++) await new Promise((resolve) => setImmediate(resolve))
    await host.stop(0)
    const late = connectTls({ socket: tcp, rejectUnauthorized: false, ALPNProtocols: ['h2'] })
    await closed(late)
  })
})

describe('a connection that was told to go elsewhere', () => {
  it('is cut off with the calls that do not end [gate 9]', async () => {
    const clock = new FakeClock()
    const { open, host } = await start({
      maxConnectionAgeMs: 10_000,
      limits: { connectionAgeGraceMs: 10_000 },
      clock,
      watch: async function* () {
        yield { status: 1 as const }
        await new Promise(() => {})
      },
    })
    const stream = open().watch(request)[Symbol.asyncIterator]()
    await stream.next()
    const next = failure(stream.next())
    clock.advance(20_000)
    expect(host.connectionCount).toBe(1)
    clock.advance(10_000)
    await next
    await expect.poll(() => host.connectionCount).toBe(0)
  })
})

describe('a connection whose certificate expires', () => {
  const lifeMs = 20_000
  const shortLived = (clock: FakeClock): Promise<TestSvid> =>
    authority.issue('spiffe://example.org/downstream', (clock.nowMs() + lifeMs) / 1000)

  it('is told to go elsewhere before, and the next one shows what the client has by then', async () => {
    const clock = new FakeClock()
    const { open, host, peers } = await start({ clock })
    let svid = await shortLived(clock)
    const client = open({ svid: () => svid })
    await client.check(request)
    clock.advance(lifeMs * 0.9 - 1)
    await client.check(request)
    expect(peers[0]).toBe(peers[1])
    svid = await shortLived(clock)
    clock.advance(1)
    await expect.poll(() => host.connectionCount).toBe(0)
    await client.check(request)
    expect((peers[2] as TlsPeer).chain).toEqual(svid.chain)
    expect(clock.timerCount).toBe(1)
  })

  it('is let to its end when little is left of the life', async () => {
    const clock = new FakeClock()
    const { open, host } = await start({ clock })
    const svid = await shortLived(clock)
    clock.advance(lifeMs / 2)
    await open({ svid: () => svid }).check(request)
    clock.advance(lifeMs / 2 - 1)
    await new Promise((resolve) => setImmediate(resolve))
    expect(host.connectionCount).toBe(1)
    clock.advance(1)
    await expect.poll(() => host.connectionCount).toBe(0)
  })

  it('stays when its client is told otherwise, and when it showed none', async () => {
    const clock = new FakeClock()
    const { open, host } = await start({ clock, outlivesCertificate: () => true })
    const svid = await shortLived(clock)
    await open({ svid: () => svid }).check(request)
    await open().check(request)
    expect([clock.timerCount, host.connectionCount]).toEqual([0, 2])
  })
})

describe('what the listener does not put up with', () => {
  it.each([
    ['TLS 1.1', { maxVersion: 'TLSv1.1', minVersion: 'TLSv1.1' }],
    ['no protocol negotiated', { ALPNProtocols: [] }],
    ['HTTP/1.1 negotiated', { ALPNProtocols: ['http/1.1'] }],
  ] as const)('%s', async (_what, settings) => {
    const { port, host } = await start()
    const socket = connectTls({
      host: '127.0.0.1',
      port,
      rejectUnauthorized: false,
      ciphers: 'DEFAULT@SECLEVEL=0',
      ...settings,
      ALPNProtocols: 'ALPNProtocols' in settings ? [...settings.ALPNProtocols] : ['h2'],
    })
    await closed(socket)
    expect(host.connectionCount).toBe(0)
  })

  it('no session is resumed: each connection shows its certificate anew', async () => {
    const { port } = await start()
    const connectOnce = (
      session?: Buffer,
    ): Promise<{ reused: boolean; session: Buffer | undefined }> =>
      new Promise((resolve, reject) => {
        const socket = connectTls({
          host: '127.0.0.1',
          port,
          rejectUnauthorized: false,
          maxVersion: 'TLSv1.2',
          ALPNProtocols: ['h2'],
          ...(session && { session }),
        })
        socket.once('error', reject)
        socket.once('secureConnect', () => {
          resolve({ reused: socket.isSessionReused(), session: socket.getSession() })
          socket.destroy()
        })
      })
    const { session } = await connectOnce()
    expect((await connectOnce(session)).reused).toBe(false)
  })

  it('plain HTTP/1 on the port', async () => {
    const { port, host } = await start()
    const socket = connectTcp({ host: '127.0.0.1', port })
    socket.write('GET / HTTP/1.1\r\nhost: x\r\n\r\n')
    await closed(socket)
    expect(host.connectionCount).toBe(0)
  })

  it('a peer that never finishes its handshake', async () => {
    const { port } = await start({ limits: { handshakeTimeoutMs: 50 } })
    await closed(connectTcp({ host: '127.0.0.1', port }))
  })

  it('more handshakes from one address than its share', async () => {
    const { port } = await start({ limits: { maxHandshakesPerAddress: 2 } })
    const idle = [await connected(port), await connected(port)]
    await closed(connectTcp({ host: '127.0.0.1', port }))
    // At once: those that were there before would have been cut off earlier for their silence.
    expect(idle.map((socket) => socket.destroyed)).toEqual([false, false])
    for (const socket of idle) socket.destroy()
  })

  it('more handshakes at once than it can do: the next one waits for its turn', async () => {
    const { port, open } = await start({ limits: { maxHandshakes: 1 } })
    const idle = await connected(port)
    const call = open().check(request)
    const late = await connected(port)
    idle.destroy()
    late.destroy()
    expect(await call).toEqual({ status: 1 })
  })

  it('a connection that gave up waiting: the next one from its port is not taken for it', async () => {
    const { port } = await start({ limits: { maxHandshakes: 1 } })
    const idle = await connected(port)
    const gone = await connected(port, '127.0.0.2')
    const { localPort = 0 } = gone
    gone.resetAndDestroy()
    await once(gone, 'close')
    const next = connectTcp({ host: '127.0.0.1', port, localAddress: '127.0.0.2', localPort })
    const secured = connectTls({ socket: next, rejectUnauthorized: false, ALPNProtocols: ['h2'] })
    closers.push(() => secured.destroy())
    const outcome = new Promise((resolve) => {
      secured.once('data', () => resolve('served'))
      secured.once('close', () => resolve('cut'))
    })
    await once(next, 'connect')
    idle.destroy()
    secured.write(Buffer.concat([preface, Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0])]))
    expect(await outcome).toBe('served')
  })

  it('silent connections from many addresses, more than it has room for: an agent waits for a moment [gate 9]', async () => {
    const clock = new FakeClock()
    const { port, open, peers } = await start({
      limits: { maxHandshakes: 2, maxSlowHandshakes: 2 },
      clock,
    })
    const silent: Socket[] = []
    for (const n of [2, 3, 4, 5]) silent.push(await connected(port, `127.0.0.${n}`))
    const [oldest, ...others] = silent
    // Half of a ClientHello, of which TLS waits for the rest.
    oldest?.write(Buffer.from([22, 3, 1, 2, 0, 1, 0]))
    const cut = oldest && closed(oldest)
    const svid = await authority.issue(agentId)
    const call = open({ svid: () => svid }).check(request)
    await expect
      .poll(() => {
        clock.advance(250)
        return peers.length
      })
      .toBe(1)
    expect(await call).toEqual({ status: 1 })
    await cut
    expect(others.map((socket) => socket.destroyed)).toEqual([false, false, false])
    for (const socket of silent) socket.destroy()
  })

  it('who has waited for longer than a handshake may take', async () => {
    const clock = new FakeClock()
    const { port } = await start({ limits: { maxHandshakes: 1 }, clock })
    const idle = await connected(port)
    const late = await connected(port)
    await expect.poll(() => clock.timerCount).toBe(1)
    clock.advance(10_001)
    await closed(late)
    expect(idle.destroyed).toBe(false)
    idle.destroy()
  })

  it('more connections than there may be, also of those who are known', async () => {
    const { open, host } = await start({ limits: { maxConnections: 1 } })
    const svid = await authority.issue(agentId)
    await open({ svid: () => svid }).check(request)
    expect((await failure(open({ svid: () => svid }).check(request))).kind).toBe('unavailable')
    expect(host.connectionCount).toBe(1)
  })

  it('more connections from one address than its share', async () => {
    const { open } = await start({ limits: { maxConnectionsPerAddress: 1 } })
    await open().check(request)
    expect((await failure(open().check(request))).kind).toBe('unavailable')
  })

  it('more strangers than their share: whoever has a certificate finds room, and so does the next when one leaves [gate 9]', async () => {
    const { open, host, port } = await start({
      limits: { maxConnectionsOfStrangers: 1 },
      clock: new FakeClock(),
    })
    const first = openSvidChannel({
      address: '127.0.0.1',
      port,
      svid: () => undefined,
      verifyServer: (chain) => void authority.verify(chain),
    })
    await createClient(HealthService, first).check(request)
    expect((await failure(open().check(request))).kind).toBe('unavailable')
    const svid = await authority.issue(agentId)
    await open({ svid: () => svid }).check(request)
    await open({ svid: () => svid }).check(request)
    first.close()
    await expect.poll(() => host.connectionCount).toBe(2)
    await open().check(request)
  })

  it('a certificate that is refused costs its address more than its handshake [gate 9]', async () => {
    const limits = { handshakesPerSecondPerAddress: 0.2 }
    const good = await start({ limits, clock: new FakeClock() })
    await good.open().check(request)
    await good.open().check(request)
    const bad = await start({ limits, clock: new FakeClock() })
    const svid = await foreign.issue(agentId)
    await failure(bad.open({ svid: () => svid }).check(request))
    expect((await failure(bad.open().check(request))).kind).toBe('unavailable')
    expect(bad.peers).toEqual([])
  })

  it('connections that come faster than the rate', async () => {
    const { open } = await start({ limits: { handshakesPerSecondPerAddress: 0.1 } })
    await open().check(request)
    expect((await failure(open().check(request))).kind).toBe('unavailable')
  })
})

function connected(port: number, localAddress = '127.0.0.1'): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connectTcp({ host: '127.0.0.1', localAddress, port }, () => resolve(socket))
    socket.once('error', reject)
  })
}

/** A call whose request is still to be written. */
function callOn(session: ClientHttp2Session, headers: OutgoingHttpHeaders = {}): ClientHttp2Stream {
  const stream = session.request({
    ':method': 'POST',
    ':path': '/grpc.health.v1.Health/Check',
    'content-type': 'application/grpc',
    ...headers,
  })
  stream.on('error', () => {})
  return stream
}

/** The status a call ended with. */
function statusOf(stream: ClientHttp2Stream): Promise<unknown> {
  return new Promise((resolve) => {
    stream.once('response', (headers) => resolve(headers['grpc-status']))
    stream.once('close', () => resolve(undefined))
  })
}

describe('hostile HTTP/2', () => {
  it('a flood of resets ends its connection, and others are served meanwhile', async () => {
    const { port, open } = await start()
    const session = connectHttp2(`https://127.0.0.1:${port}`, { rejectUnauthorized: false })
    session.on('error', () => {})
    const ended = new Promise((resolve) => session.once('close', resolve))
    // A stream that is reset in the turn that made it never leaves the client.
    const flood = (): void => {
      const streams = Array.from({ length: 200 }, () => callOn(session))
      setImmediate(() => {
        for (const stream of streams) stream.close(constants.NGHTTP2_CANCEL)
        if (!session.destroyed) setImmediate(flood)
      })
    }
    session.once('connect', flood)
    await open().check(request)
    await ended
    await open().check(request)
  })

  it.each([
    [
      'ten thousand headers',
      Object.fromEntries(Array.from({ length: 10_000 }, (_, n) => [`x-${n}`, 'v'])),
    ],
    ['a header of a megabyte', { big: 'x'.repeat(1_000_000) }],
  ])('%s never become a call', async (_what, headers) => {
    const { port, open, peers } = await start()
    const session = connectHttp2(`https://127.0.0.1:${port}`, {
      rejectUnauthorized: false,
      maxSendHeaderBlockLength: 10_000_000,
    })
    session.on('error', () => {})
    closers.push(() => session.destroy())
    const stream = callOn(session, headers)
    const status = statusOf(stream)
    stream.end(Buffer.from([0, 0, 0, 0, 0]))
    expect(await status).toBeUndefined()
    expect(peers.length).toBe(0)
    await open().check(request)
  })

  it('a message that claims to be longer than the limit is refused by its header alone', async () => {
    const { port } = await start()
    const session = connectHttp2(`https://127.0.0.1:${port}`, { rejectUnauthorized: false })
    closers.push(() => session.destroy())
    const stream = callOn(session)
    const status = statusOf(stream)
    stream.write(Buffer.from([0, 0x7f, 0xff, 0xff, 0xff]))
    expect(await status).toBe('8')
  })

  it('a compressed bomb is stopped at the limit', async () => {
    const { port, peers } = await start({ limits: { maxReceiveBytes: 100_000 } })
    const bomb = gzipSync(Buffer.alloc(10_000_000))
    const session = connectHttp2(`https://127.0.0.1:${port}`, { rejectUnauthorized: false })
    closers.push(() => session.destroy())
    const frame = Buffer.alloc(5)
    frame.writeUInt8(1, 0)
    frame.writeUInt32BE(bomb.length, 1)
    const stream = callOn(session, { 'grpc-encoding': 'gzip' })
    const status = statusOf(stream)
    stream.end(Buffer.concat([frame, bomb]))
    expect([await status, peers.length]).toEqual(['8', 0])
  })
})
