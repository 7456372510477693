import { describe, expect, it } from 'vitest'
import { systemClock } from '../clock.ts'
import { silentLogger } from '../log/logger.ts'
import { HealthService } from '../proto/grpc/health/v1/health.ts'
import { publicAuthority } from '../x509/public-authority.test-kit.ts'
import type { CallContext, TlsPeer } from './call-context.ts'
import { openHooks } from './call-hooks.ts'
import { createClient, openSvidChannel } from './client.ts'
import { TestAuthority, type TestSvid } from './grpc.test-kit.ts'
import { GrpcHost } from './host.ts'
import { bindService, notImplemented } from './service.ts'

type Chain = readonly Uint8Array[]

/** Has a server and a client show each other certificates of an authority; returns what the client, then the server, saw. */
async function seen(
  authority: TestAuthority,
  shown: { readonly server: TestSvid; readonly client: TestSvid },
): Promise<readonly Chain[]> {
  const chains: Chain[] = []
  const check = (call: CallContext): { status: 1 } => {
    chains.push((call.peer as TlsPeer).chain)
    return { status: 1 }
  }
  const health = { check, list: notImplemented('List'), watch: notImplemented('Watch') }
  await using host = new GrpcHost<CallContext>({
    services: [bindService(HealthService, health)],
    hooks: openHooks,
    clock: systemClock,
    log: silentLogger,
  })
  const { port } = await host.listenTls({
    host: '127.0.0.1',
    port: 0,
    credentials: () => shown.server.tls,
    verifyClient: (chain) => authority.verify(chain),
  })
  using channel = openSvidChannel({
    address: '127.0.0.1',
    port,
    svid: () => shown.client,
    verifyServer: (chain) => void chains.push(chain),
  })
  await createClient(HealthService, channel).check({ service: '' })
  return chains
}

async function svids(authority: TestAuthority): Promise<{ server: TestSvid; client: TestSvid }> {
  const [server, client] = await Promise.all(
    ['server', 'agent/a'].map((name) => authority.issue(`spiffe://example.org/spire/${name}`)),
  )
  if (!server || !client) throw new Error('there are two')
  return { server, client }
}

describe('certificates that peers show', () => {
  it('are their own and no others, although OpenSSL has one that would fit', async () => {
    const authority = new TestAuthority(publicAuthority())
    const { server, client } = await svids(authority)
    expect(await seen(authority, { server, client })).toEqual([server.chain, client.chain])
  })

  it('are all seen, also behind one that comes twice', async () => {
    const authority = new TestAuthority()
    const { server, client } = await svids(authority)
    const chain = [...client.chain, ...client.chain, ...server.chain]
    const cert = server.tls.cert.repeat(2)
    const chains = await seen(authority, {
      server: { ...server, tls: { ...server.tls, cert } },
      client: { ...client, chain },
    })
    expect(chains).toEqual([[...server.chain, ...server.chain], chain])
  })
})
