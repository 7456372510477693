import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createClient, openUnixChannel } from '@mini-spire/runtime/grpc/client'
import { SpiffeWorkloadAPIService } from '@mini-spire/sdk/internal/spiffe/workload/workload'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { FakeServer } from '../kit/fake-server.ts'
import { type Daemon, ours, Scene } from '../kit/processes.ts'

/** A stop takes a small part of a second; what it must not wait for takes five or more, whatever the machine. */
const atOnceMs = 4000
const header = { metadata: { 'workload.spiffe.io': 'true' } }
let folder: string
let scene: Scene
let server: FakeServer
const ends: (() => unknown)[] = []

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'agent-stop-'))
  scene = new Scene()
  server = new FakeServer()
  await server.start()
  server.setEntry('1', '/web')
  ends.push(
    () => rm(folder, { recursive: true, force: true }),
    () => server.stop(),
    () => scene[Symbol.asyncDispose](),
  )
})
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end()
})

const socketPath = (): string => join(folder, 'public', 'api.sock')
const adminPath = (): string => join(folder, 'admin', 'api.sock')

async function startAgent(port: number, bootstrap?: string): Promise<Daemon> {
  await writeFile(join(folder, 'bundle.pem'), server.bundlePem)
  const source = bootstrap ?? `trust_bundle_path = "${join(folder, 'bundle.pem')}"`
  const config = join(folder, 'agent.conf')
  await writeFile(
    config,
    `agent {
      data_dir = "${join(folder, 'data')}"
      trust_domain = "example.org"
      server_address = "127.0.0.1"
      server_port = ${port}
      socket_path = "${socketPath()}"
      admin_socket_path = "${adminPath()}"
      join_token = "token"
      ${source}
      experimental { sync_interval = "1s" }
    }
    plugins {
      NodeAttestor "join_token" { plugin_data {} }
      KeyManager "memory" { plugin_data {} }
      WorkloadAttestor "unix" { plugin_data {} }
    }`,
  )
  return scene.start(ours.agent, ['run', '-config', config])
}

/** Stops it as an operator does; how long it took. */
async function stopped(agent: Daemon): Promise<number> {
  const startedMs = performance.now()
  expect(await agent.stop(), agent.output).toBe(0)
  return performance.now() - startedMs
}

interface SilentListener {
  readonly port: number
  /** Resolves when somebody has connected. */
  readonly asked: Promise<unknown>
}

/** A TCP or Unix listener that accepts and never says a word. */
async function listenSilently(at: number | string): Promise<SilentListener> {
  const sockets = new Set<{ destroy(): void }>()
  const silent = createServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => {})
  })
  ends.push(() => {
    silent.close()
    for (const socket of sockets) socket.destroy()
  })
  const asked = once(silent, 'connection')
  silent.listen(at)
  await once(silent, 'listening')
  const address = silent.address()
  return { asked, port: typeof address === 'object' && address ? address.port : 0 }
}

describe('SIGTERM ends an agent at once, with exit code 0 and no socket left behind,', () => {
  it('while streams and connections that never spoke are open', async () => {
    const agent = await startAgent(server.port)
    await agent.waitFor('Starting Admin APIs')
    for (let opened = 0; opened < 20; opened++) {
      const channel = openUnixChannel(socketPath())
      ends.push(() => channel.close())
      const stream = createClient(SpiffeWorkloadAPIService, channel).fetchX509Svid({}, header)
      const updates = stream[Symbol.asyncIterator]()
      expect((await updates.next()).value?.svids).toHaveLength(1)
      updates.next().catch(() => {})
    }
    for (let opened = 0; opened < 20; opened++) {
      const halfOpen = connect(opened % 2 === 0 ? socketPath() : adminPath())
      halfOpen.on('error', () => {})
      await once(halfOpen, 'connect')
    }
    expect(await stopped(agent)).toBeLessThan(atOnceMs)
    expect([existsSync(socketPath()), existsSync(adminPath())]).toEqual([false, false])
    expect(agent.output).toContain('Agent stopped gracefully')
  })

  it('while a synchronisation waits for a server that does not answer', async () => {
    const agent = await startAgent(server.port)
    await agent.waitFor('Starting Admin APIs')
    await server.stop()
    const { asked } = await listenSilently(server.port)
    await asked
    expect(await stopped(agent)).toBeLessThan(atOnceMs)
    expect(existsSync(socketPath())).toBe(false)
  })

  it('while it waits to try again to reach a server that is away', async () => {
    const { port } = server
    await server.stop()
    const agent = await startAgent(port)
    await agent.waitFor('Failed to retrieve attestation result')
    expect(await stopped(agent)).toBeLessThan(atOnceMs)
  })

  it('while it attests with a server that does not answer', async () => {
    const { port, asked } = await listenSilently(0)
    const agent = await startAgent(port)
    await asked
    expect(await stopped(agent)).toBeLessThan(atOnceMs)
  })

  it('while it waits for a bootstrap source that does not answer', async () => {
    const helper = join(folder, 'helper.sock')
    const { asked } = await listenSilently(helper)
    const agent = await startAgent(
      server.port,
      `trust_bundle_url = "http://helper/bundle"
       trust_bundle_unix_socket = "${helper}"`,
    )
    await asked
    expect(await stopped(agent)).toBeLessThan(atOnceMs)
  })
})

it('an agent that starts before its server waits for it', async () => {
  const { port } = server
  await server.stop()
  const agent = await startAgent(port)
  await agent.waitFor('Failed to retrieve attestation result')
  await server.start()
  await agent.waitFor('Node attestation was successful')
  expect(await agent.stop()).toBe(0)
})
