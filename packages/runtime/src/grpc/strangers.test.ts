import { afterEach, describe, expect, it } from 'vitest'
import { FakeClock } from '../clock.test-kit.ts'
import { silentLogger } from '../log/logger.ts'
import { HealthService } from '../proto/grpc/health/v1/health.ts'
import type { CallContext } from './call-context.ts'
import { createClient, openSvidChannel } from './client.ts'
import { TestAuthority } from './grpc.test-kit.ts'
import { GrpcHost } from './host.ts'
import { defaultHostLimits, type HostLimits } from './host-limits.ts'
import { bindService, notImplemented } from './service.ts'
import { StrangerPace } from './stranger-pace.ts'

const authority = new TestAuthority()
const server = await authority.issue('spiffe://example.org/spire/server')
const agent = await authority.issue('spiffe://example.org/spire/agent/a')

const closers: (() => unknown)[] = []
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close()
})

/** A host for these tests, and clients of it that ask with or without a certificate, each over its own connection. */
async function start(limits: Partial<HostLimits>) {
  const clock = new FakeClock()
  const host = new GrpcHost<CallContext>({
    services: [
      bindService(HealthService, {
        check: () => ({ status: 1 }),
        list: notImplemented('List'),
        watch: async function* ({ signal }) {
          await new Promise((resolve) => signal.addEventListener('abort', resolve))
          yield { status: 0 }
        },
      }),
    ],
    hooks: { before: (call) => call, after: () => {} },
    clock,
    log: silentLogger,
    limits,
  })
  closers.push(() => host.stop(0))
  const { port } = await host.listenTls({
    host: '127.0.0.1',
    port: 0,
    credentials: () => server.tls,
    verifyClient: (chain) => authority.verify(chain),
  })
  const client = (svid?: typeof agent) => {
    const channel = openSvidChannel({
      address: '127.0.0.1',
      port,
      svid: () => svid,
      verifyServer: (chain) => void authority.verify(chain),
    })
    closers.push(() => channel.close())
    const health = createClient(HealthService, channel)
    return {
      check: () => health.check({ service: '' }),
      watch: () => health.watch({ service: '' })[Symbol.asyncIterator]().next(),
    }
  }
  return { clock, client, host }
}

describe('strangers', () => {
  it('of one address are answered so often, over all of their connections, and others as often as they ask [gate 9]', async () => {
    const { clock, client } = await start({ callsPerSecondOfStrangersPerAddress: 1 })
    const [one, another, known] = [client(), client(), client(agent)]
    for (let n = 0; n < 5; n++) await (n % 2 ? another : one).check()
    const answered: string[] = []
    const late = [one, another].map((each, index) =>
      each.check().then(() => answered.push(`stranger ${index}`)),
    )
    for (let n = 0; n < 20; n++) await known.check()
    expect(answered).toEqual([])
    clock.advance(1000)
    await expect.poll(() => answered.length).toBe(1)
    clock.advance(1000)
    await Promise.all(late)
    expect(answered).toHaveLength(2)
  })

  it('of one address wait for nobody else’s calls', () => {
    const clock = new FakeClock()
    const pace = new StrangerPace({ limits: defaultHostLimits, clock })
    const [flood, other] = [pace.of('10.0.0.1'), pace.of('10.0.0.2')]
    for (let n = 0; n < 1_000; n++) flood.take()
    expect([flood.waitMs(), other.waitMs()]).toEqual([5, -4_995])
    for (let n = 0; n < 1_000; n++) flood.take()
    expect(pace.of('10.0.0.1').waitMs()).toBe(5_005)
    clock.advance(5_005)
    expect(flood.waitMs()).toBe(0)
  })

  it('that have all of their places make room for the next, whoever came first before the others [gate 9]', async () => {
    const { clock, client, host } = await start({ maxConnectionsOfStrangers: 2 })
    const [first, second, third, fourth] = [client(), client(), client(), client()]
    await first.check()
    clock.advance(500)
    await second.check()
    await expect(third.check()).rejects.toMatchObject({ kind: 'unavailable' })
    clock.advance(500)
    const stream = first.watch()
    const cut = expect(stream).rejects.toMatchObject({ kind: 'unavailable' })
    await second.check()
    await fourth.check()
    await cut
    expect(host.connectionCount).toBe(2)
    await second.check()
    await expect(client().check()).rejects.toMatchObject({ kind: 'unavailable' })
    clock.advance(500)
    await client().check()
  })

  it('never take the place of one who is known', async () => {
    const { clock, client, host } = await start({ maxConnectionsOfStrangers: 1 })
    const known = client(agent)
    await known.check()
    clock.advance(5000)
    for (let n = 0; n < 3; n++) {
      await client().check()
      clock.advance(1000)
    }
    await known.check()
    expect(host.connectionCount).toBe(2)
  })
})
