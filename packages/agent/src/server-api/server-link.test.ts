import { X509Certificate } from 'node:crypto'
import { FakeClock } from '@mini-spire/runtime/clock.test-kit'
import type { CallContext } from '@mini-spire/runtime/grpc/call-context'
import { openHooks } from '@mini-spire/runtime/grpc/call-hooks'
import { GrpcHost } from '@mini-spire/runtime/grpc/host'
import { bindService, type HandlersOf, notImplemented } from '@mini-spire/runtime/grpc/service'
import { silentLogger } from '@mini-spire/runtime/log/logger'
import { AgentService } from '@mini-spire/runtime/proto/spire/api/server/agent/v1/agent'
import { TestCa } from '@mini-spire/sdk/testing'
import { afterEach, describe, expect, it } from 'vitest'
import { ServerClient } from './server-client.ts'
import { openServerLink } from './server-link.ts'

const issued = new FakeClock()
const now = (): Date => issued.now()
const hourMs = 3_600_000
const [former, current] = [
  TestCa.create('example.org', { now }),
  TestCa.create('example.org', { now }),
]
const { trustDomain } = former
const { signal } = new AbortController()

const closers: (() => unknown)[] = []
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close()
})

/** A server that shows what one authority signed, and the agent's client of it, which trusts what the test says. */
async function start() {
  const clock = new FakeClock()
  const scene = { shownBy: former, roots: [former], connections: new Set<unknown>() }
  const held: (() => void)[] = []
  const others = ['attestAgent', 'renewAgent', 'createJoinToken', 'listAgents', 'countAgents']
  const handlers = {
    ...Object.fromEntries(
      [...others, 'getAgent', 'deleteAgent', 'banAgent'].map((name) => [
        name,
        notImplemented(name),
      ]),
    ),
    postStatus: async ({ peer }: CallContext, { agentVersion }: { agentVersion: string }) => {
      scene.connections.add(peer)
      if (agentVersion === 'held') await new Promise<void>((resolve) => held.push(resolve))
      return {}
    },
  } as unknown as HandlersOf<typeof AgentService, CallContext>
  const host = new GrpcHost<CallContext>({
    services: [bindService(AgentService, handlers)],
    hooks: openHooks,
    clock,
    log: silentLogger,
  })
  closers.push(() => host.stop(0))
  const { port } = await host.listenTls({
    host: '127.0.0.1',
    port: 0,
    credentials: () => {
      const { privateKey: key, chain } = scene.shownBy.issueX509Svid('/spire/server')
      return { key, cert: chain.map(({ raw }) => new X509Certificate(raw).toString()).join('') }
    },
    verifyClient: () => ({ spiffeId: '' }),
  })
  const client = new ServerClient({
    open: () =>
      openServerLink({
        ...{ address: '127.0.0.1', port, trustDomain, clock },
        svid: () => undefined,
        roots: () => scene.roots.map(({ certificate }) => certificate.raw),
      }),
    log: silentLogger,
  })
  closers.push(() => client[Symbol.dispose]())
  const call = (version = ''): Promise<void> => client.postStatus(version, signal)
  const trust = (...roots: readonly TestCa[]): void => {
    scene.roots = [...roots]
    client.releaseUntrusted()
  }
  const show = (authority: TestCa): void => {
    scene.shownBy = authority
    host.updateCredentials()
  }
  return { scene, clock, held, host, client, call, trust, show }
}

describe('the connection to a server', () => {
  it('whose root has left the bundle is left for another, and what is under way ends well [gate 5]', async () => {
    const { scene, held, host, call, trust, show } = await start()
    const running = call('held')
    await expect.poll(() => held.length).toBe(1)
    show(current)
    trust(current)
    await call()
    expect([scene.connections.size, host.connectionCount]).toEqual([2, 2])
    held[0]?.()
    await running
    await expect.poll(() => host.connectionCount).toBe(1)
    await call()
    expect(scene.connections.size).toBe(2)
  })

  it('ends at once when nothing is under way, and no other is made to a server that still shows the root [gate 5]', async () => {
    const { scene, host, call, trust } = await start()
    await call()
    trust(current)
    await expect.poll(() => host.connectionCount).toBe(0)
    await expect(call()).rejects.toThrow('certificate signed by unknown authority')
    expect(scene.connections.size).toBe(1)
  })

  it('is kept while its root is among others, or nothing has been asked yet', async () => {
    const { scene, call, trust } = await start()
    trust(former)
    await call()
    trust(current, former)
    await call()
    expect(scene.connections.size).toBe(1)
  })

  it('is kept when the certificate that was shown has expired since', async () => {
    const { scene, clock, call, trust } = await start()
    await call()
    clock.advance(30 * 24 * hourMs)
    trust(current, former)
    await call()
    expect(scene.connections.size).toBe(1)
  })

  it('says to what waits on it that it is to be left', async () => {
    const { client, call, trust } = await start()
    await call()
    const left = client.push(
      ({ retired }) =>
        new Promise<string>((resolve) => {
          retired.addEventListener('abort', () => resolve('left'))
        }),
    )
    trust(current)
    expect(await left).toBe('left')
  })
})
