import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { SpiffeId } from '@mini-spire/sdk/spiffe-id'
import { TestCa } from '@mini-spire/sdk/testing'
import { authorizeAny, authorizeId, connectTls, SvidTlsServer } from '@mini-spire/sdk/tls'
import { X509Source } from '@mini-spire/sdk/workload-api'
import type { X509SvidSource } from '@mini-spire/sdk/x509-svid'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { envoyPeer, isPythonMissing } from '../kit/peers.ts'
import { type Daemon, freePort } from '../kit/processes.ts'
import { ServedWorkload } from '../kit/served-workload.ts'
import { envoyConfig } from './envoy-config.ts'

const host = '127.0.0.1'

const leafOf = ({ chain }: { readonly chain: readonly Uint8Array[] }): string =>
  Buffer.from(chain[0] ?? []).toString('hex')

describe.skipIf(isPythonMissing())('Envoy with secrets from our agent', () => {
  let served: ServedWorkload
  let source: X509Source
  let envoy: Daemon
  let tlsPort: number
  let plainPort: number
  let upstream: SvidTlsServer

  beforeAll(async () => {
    const command = await envoyPeer()
    served = await ServedWorkload.start()
    source = await X509Source.create({ address: served.agent.address })
    upstream = new SvidTlsServer({
      svids: source,
      bundles: source,
      authorize: authorizeId(SpiffeId.parse(served.id)),
      onConnection: (socket, peer) => {
        const body = `called by ${peer.spiffeId}`
        const head = `HTTP/1.1 200 OK\r\ncontent-length: ${body.length}\r\nconnection: close\r\n\r\n`
        socket.once('data', () => socket.end(head + body))
      },
    })
    const upstreamPort = (await upstream.listen({ host, port: 0 })).port
    tlsPort = await freePort()
    plainPort = await freePort()
    const config = served.scene.path('envoy.json')
    const { socket: sdsSocket } = served.agent
    const ports = { tlsPort, plainPort, upstreamPort }
    writeFileSync(config, envoyConfig({ sdsSocket, ...ports, upstreamSvidName: served.id }))
    const args = ['-c', config, '--use-dynamic-base-id', '--concurrency', '1', '-l', 'info']
    envoy = served.scene.start({ command, args: [] }, args)
    await envoy.waitFor('starting main dispatch loop')
  })
  afterAll(async () => {
    await upstream?.close()
    source?.close()
    await served?.[Symbol.asyncDispose]()
  })

  /** Asks Envoy over TLS; returns who it is, by which certificate, and what it said. */
  async function ask(svids?: X509SvidSource) {
    const { socket, peer } = await connectTls({
      host,
      port: tlsPort,
      bundles: source,
      authorize: authorizeAny(),
      ...(svids && { svids }),
    })
    try {
      socket.write('GET / HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n')
      let text = ''
      socket.on('data', (chunk: Buffer) => {
        text += chunk.toString()
      })
      await once(socket, 'close')
      return { id: peer.spiffeId.toString(), chain: peer.chain, text }
    } finally {
      socket.destroy()
    }
  }

  /** Envoy is another process: until it has what it needs, it is asked again. */
  const askUntil = (check: (answer: Awaited<ReturnType<typeof ask>>) => boolean) =>
    vi.waitFor(
      async () => {
        const answer = await ask(source)
        expect(check(answer)).toBe(true)
        return answer
      },
      { timeout: 60_000, interval: 100 },
    )

  it('shows the identity of its workload, and serves who is vouched for', async () => {
    const answer = await askUntil(() => true)
    expect(answer.id).toBe(served.id)
    expect(answer.text).toContain('200 OK')
    expect(answer.text).toContain('hello')
  })

  it('refuses who shows no certificate, and who is of a foreign trust domain', async () => {
    const refusal = async (svids?: X509SvidSource): Promise<string> =>
      await ask(svids).then(
        ({ text }) => text,
        (error: unknown) => String(error),
      )
    expect(await refusal()).not.toContain('200 OK')
    // Of another trust domain, and of another authority that says it is this one.
    for (const domain of ['foreign.org', 'example.org']) {
      const svid = TestCa.create(domain).issueX509Svid('/workload')
      expect(await refusal({ getX509Svid: () => svid })).not.toContain('200 OK')
    }
  })

  it('calls who asks for its identity by that', async () => {
    const answer = async (): Promise<string> =>
      await (await fetch(`http://${host}:${plainPort}/`)).text()
    await expect.poll(answer, { timeout: 60_000 }).toBe(`called by ${served.id}`)
  })

  it('shows a renewed SVID as soon as there is one', async () => {
    const before = leafOf(await ask(source))
    const { entries } = JSON.parse(
      served.server.must('entry', 'show', '-spiffeID', served.id, '-output', 'json'),
    )
    const [entry] = entries
    served.server.must(
      ...['entry', 'update', '-entryID', entry.id, '-spiffeID', served.id],
      ...['-parentID', served.parentId, '-selector', `unix:uid:${process.getuid?.() ?? 0}`],
      ...['-dns', 'renewed.test'],
    )
    const after = await askUntil((answer) => leafOf(answer) !== before)
    expect(after.id).toBe(served.id)
    expect(after.text).toContain('hello')
  })

  it('was given nothing that it could not use', () => {
    expect(envoy.output).not.toMatch(/rejected|update failed/i)
    expect(served.agent.daemon.output).not.toContain('Envoy reported errors')
  })
})
