import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { connect, createServer } from 'node:tls'
import { afterEach, describe, expect, it } from 'vitest'
import { systemClock } from '../clock.ts'
import { silentLogger } from '../log/logger.ts'
import { hasPqKem } from '../pq-kem.ts'
import { HealthService } from '../proto/grpc/health/v1/health.ts'
import type { CallContext } from './call-context.ts'
import { createClient, openSvidChannel } from './client.ts'
import { TestAuthority } from './grpc.test-kit.ts'
import { GrpcHost } from './host.ts'
import { bindService, notImplemented } from './service.ts'

const authority = new TestAuthority()
const closers: (() => unknown)[] = []
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close()
})

async function start(requiresPqKem: boolean): Promise<number> {
  const unused = { list: notImplemented('List'), watch: notImplemented('Watch') }
  const host = new GrpcHost<CallContext>({
    services: [bindService(HealthService, { check: () => ({ status: 1 }), ...unused })],
    hooks: { before: (call) => call, after: () => {} },
    clock: systemClock,
    log: silentLogger,
  })
  closers.push(() => host.stop(0))
  const { tls } = await authority.issue('spiffe://example.org/spire/server')
  const { port } = await host.listenTls({
    host: '127.0.0.1',
    port: 0,
    credentials: () => tls,
    verifyClient: (chain) => authority.verify(chain),
    requiresPqKem,
  })
  return port
}

async function check(port: number, requiresPqKem: boolean): Promise<unknown> {
  const channel = openSvidChannel({
    address: '127.0.0.1',
    port,
    svid: () => undefined,
    verifyServer: (chain) => void authority.verify(chain),
    requiresPqKem,
  })
  closers.push(() => channel.close())
  return await createClient(HealthService, channel).check({ service: '' })
}

/** Whether a client that knows only the old groups gets through its handshake. */
function canConnectClassically(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const options = { ecdhCurve: 'X25519:P-256', ALPNProtocols: ['h2'], rejectUnauthorized: false }
    const socket = connect({ host: '127.0.0.1', port, ...options })
    socket.once('secureConnect', () => resolve(true)).once('error', () => resolve(false))
    closers.push(() => socket.destroy())
  })
}

// On a machine whose OpenSSL has it; CI runs on one that has and on one that has not.
if (hasPqKem()) {
  describe('a post-quantum key exchange that is required', () => {
    it('is had with our own client, and only with it', async () => {
      const port = await start(true)
      expect(await check(port, true)).toEqual({ status: 1 })
      expect(await check(port, false)).toEqual({ status: 1 })
      expect(await canConnectClassically(port)).toBe(false)
    })

    it('by a client is not done without', async () => {
      expect(await check(await start(false), true)).toEqual({ status: 1 })
      const { key, cert } = (await authority.issue('spiffe://example.org/spire/server')).tls
      const old = createServer({
        key: key.export({ type: 'pkcs8', format: 'pem' }),
        cert,
        ecdhCurve: 'X25519:P-256',
        ALPNProtocols: ['h2'],
      })
      old.listen(0, '127.0.0.1')
      await once(old, 'listening')
      closers.push(() => old.close())
      const { port } = old.address() as AddressInfo
      await expect(check(port, true)).rejects.toMatchObject({ code: 'ERR_GRPC_CALL' })
    })
  })
}

describe('a post-quantum key exchange', () => {
  it('is had with OpenSSL 3.5 and newer', () => {
    const [major = 0, minor = 0] = process.versions.openssl.split('.').map(Number)
    expect(hasPqKem()).toBe(major > 3 || (major === 3 && minor >= 5))
  })
})
