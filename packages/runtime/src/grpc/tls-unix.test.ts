import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { systemClock } from '../clock.ts'
import { silentLogger } from '../log/logger.ts'
import { HealthService } from '../proto/grpc/health/v1/health.ts'
import type { CallContext, TlsPeer } from './call-context.ts'
import { type ClientSvid, createClient, openSvidChannel } from './client.ts'
import { bridgeTo, TestAuthority } from './grpc.test-kit.ts'
import { GrpcHost } from './host.ts'
import type { HostLimits } from './host-limits.ts'
import { bindService, notImplemented } from './service.ts'

const authority = new TestAuthority()
const foreign = new TestAuthority()
const brokerId = 'spiffe://example.org/broker'

const closers: (() => unknown)[] = []
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close()
})

let path: string
beforeEach(() => {
  const folder = mkdtempSync(join(tmpdir(), 'tls-unix-'))
  closers.push(() => rmSync(folder, { recursive: true, force: true }))
  path = join(folder, 'made', 'broker.sock')
})

async function start(limits: Partial<HostLimits> = {}) {
  const peers: TlsPeer[] = []
  const host = new GrpcHost<CallContext>({
    services: [
      bindService(HealthService, {
        check: (call: CallContext) => {
          peers.push(call.peer as TlsPeer)
          return { status: 1 }
        },
        list: notImplemented('List'),
        watch: notImplemented('Watch'),
      }),
    ],
    hooks: { before: (call) => call, after: () => {} },
    clock: systemClock,
    log: silentLogger,
    limits,
  })
  closers.push(() => host.stop(0))
  const presented = { svid: await authority.issue('spiffe://example.org/agent') }
  await host.listenTlsUnix({
    path,
    mode: 0o770,
    directoryMode: 0o750,
    credentials: () => presented.svid.tls,
    verifyClient: (chain) => authority.verify(chain),
    requiresCertificate: true,
  })
  const bridge = await bridgeTo(path)
  closers.push(() => bridge.close())
  const seen: (readonly Uint8Array[])[] = []
  const check = (svid?: ClientSvid): Promise<unknown> => {
    const channel = openSvidChannel({
      address: '127.0.0.1',
      port: bridge.port,
      svid: () => svid,
      verifyServer: (chain) => void seen.push(chain),
    })
    closers.push(() => channel.close())
    return createClient(HealthService, channel).check({ service: '' })
  }
  return { host, peers, presented, check, seen }
}

describe('TLS on a Unix socket', () => {
  it('has the modes that were asked for, and knows who connects by certificate and process', async () => {
    const { check, peers } = await start()
    const svid = await authority.issue(brokerId)
    await check(svid)
    expect(statSync(path).mode & 0o777).toBe(0o770)
    expect(statSync(join(path, '..')).mode & 0o777).toBe(0o750)
    expect(peers).toMatchObject([
      { kind: 'tls', address: '', spiffeId: brokerId, process: { pid: process.pid } },
    ])
  })

  it('tells connections apart that have no address', async () => {
    const { check, peers, host } = await start()
    const svids = await Promise.all(
      ['a', 'b', 'c', 'd'].map((name) => authority.issue(`spiffe://example.org/${name}`)),
    )
    await Promise.all(svids.map((svid) => check(svid)))
    expect(peers.map(({ spiffeId }) => spiffeId?.at(-1)).sort()).toEqual(['a', 'b', 'c', 'd'])
    expect(host.connectionCount).toBe(4)
  })

  it('shows a renewed certificate from the next handshake on', async () => {
    const { check, host, presented, seen } = await start()
    await check(await authority.issue(brokerId))
    presented.svid = await authority.issue('spiffe://example.org/agent')
    host.updateCredentials()
    await check(await authority.issue(brokerId))
    expect(seen[0]).not.toEqual(seen[1])
    expect(seen[1]).toEqual(presented.svid.chain)
  })

  it('refuses a certificate of somebody else, none, and what is no TLS', async () => {
    const { check, peers, host } = await start()
    const refused = { kind: 'unavailable' }
    await expect(check(await foreign.issue(brokerId))).rejects.toMatchObject(refused)
    await expect(check()).rejects.toMatchObject(refused)
    const plain = connect({ path })
    plain.on('error', () => {})
    const ended = new Promise((resolve) => plain.once('close', resolve))
    plain.write('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n')
    plain.resume()
    await ended
    expect([peers.length, host.connectionCount]).toEqual([0, 0])
  })

  it('bounds the handshakes and connections of one process', async () => {
    const { check } = await start({ maxHandshakesPerAddress: 1, maxConnectionsPerAddress: 1 })
    const idle = connect({ path })
    await new Promise<void>((resolve) => idle.once('connect', resolve))
    const second = connect({ path })
    second.on('error', () => {})
    second.resume()
    await new Promise((resolve) => second.once('close', resolve))
    expect(idle.destroyed).toBe(false)
    const ended = new Promise((resolve) => idle.once('close', resolve))
    idle.destroy()
    await ended
    await check(await authority.issue(brokerId))
    await expect(check(await authority.issue(brokerId))).rejects.toMatchObject({
      kind: 'unavailable',
    })
  })

  it('takes the place of a socket that nobody serves', async () => {
    rmSync(join(path, '..'), { recursive: true, force: true })
    const folder = mkdtempSync(join(tmpdir(), 'stale-'))
    closers.push(() => rmSync(folder, { recursive: true, force: true }))
    path = join(folder, 'broker.sock')
    writeFileSync(path, '')
    const { check } = await start()
    await check(await authority.issue(brokerId))
  })
})
