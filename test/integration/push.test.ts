import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Agent } from '@mini-spire/agent/agent'
import { systemClock } from '@mini-spire/runtime/clock'
import { createClient } from '@mini-spire/runtime/grpc/client'
import { createLogger } from '@mini-spire/runtime/log/create-logger'
import {
  PushService,
  type SubscribeRequest,
  type SubscribeResponse,
} from '@mini-spire/runtime/proto/minispire/api/server/push/v1/push'
import type { Entry } from '@mini-spire/runtime/proto/spire/api/types/entry'
import { TrustDomain } from '@mini-spire/sdk/spiffe-id'
import { WorkloadApiClient } from '@mini-spire/sdk/workload-api'
import { pemEncode } from '@mini-spire/sdk/x509'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { testAgentConfig } from '../kit/agent-config.ts'
import { AgentDeployment, ServerDeployment } from '../kit/deployment.ts'
import { Scene } from '../kit/processes.ts'
import { entryOf, ServerScene } from './server-scene.ts'

/** Longer than any of these tests: what arrives was pushed. */
const syncIntervalMs = 3_600_000

let scene: ServerScene
let folder: string
const ends: (() => unknown)[] = []

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'push-'))
  scene = await ServerScene.start()
  ends.push(() => rmSync(folder, { recursive: true, force: true }))
  ends.push(() => scene[Symbol.asyncDispose]())
})
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end()
})

interface Started {
  readonly agent: Agent
  readonly id: string
  readonly lines: string[]
  readonly client: WorkloadApiClient
}

/** A whole agent that polls so rarely that it never does. */
async function startAgent(): Promise<Started> {
  const { agents, bundles } = scene.local()
  const bundle = await bundles.getBundle({ outputMask: undefined })
  const pem = bundle.x509Authorities.map(({ asn1 }) => pemEncode('CERTIFICATE', asn1)).join('')
  writeFileSync(join(folder, 'bundle.pem'), pem)
  const { value } = await agents.createJoinToken({ ttl: 600, token: '', agentId: undefined })
  const config = testAgentConfig(folder, scene.port)
  const lines: string[] = []
  const destination = { isTerminal: false, write: (line: string) => void lines.push(line) }
  const log = createLogger({ format: 'plain', level: 'debug', destination, clock: systemClock })
  const experimental = { ...config.experimental, syncIntervalMs }
  const agent = new Agent({ ...config, joinToken: value, experimental }, { log })
  await agent.start()
  ends.push(() => agent.stop())
  const client = new WorkloadApiClient({ address: `unix://${config.socketPath}` })
  ends.push(() => client[Symbol.dispose]())
  return { agent, id: `spiffe://example.org/spire/agent/join_token/${value}`, lines, client }
}

function mine(parent: string, path: string, change: Partial<Entry> = {}): Entry {
  const selectors = [{ type: 'unix', value: `uid:${process.geteuid?.()}` }]
  return entryOf(parent, path, { selectors, ...change })
}

async function create(...entries: readonly Entry[]): Promise<string> {
  const { results } = await scene
    .local()
    .entries.batchCreateEntry({ entries: [...entries], outputMask: undefined })
  expect(results.map(({ status }) => status?.code)).toEqual(entries.map(() => 0))
  return results[0]?.entry?.id ?? ''
}

/** Watches until what the workload may have is this. */
async function untilServed(client: WorkloadApiClient, ...paths: readonly string[]): Promise<void> {
  for await (const { svids } of client.watchX509Context()) {
    const served = svids.map(({ spiffeId }) => spiffeId.path)
    if (JSON.stringify([...served].sort()) === JSON.stringify([...paths].sort())) return
  }
}

class Requests {
  #waiting: SubscribeRequest[] = []
  #wake: () => void = () => {}
  send(step: SubscribeRequest['step']): void {
    this.#waiting.push({ step })
    this.#wake()
  }
  async *[Symbol.asyncIterator](): AsyncGenerator<SubscribeRequest, void> {
    for (;;) {
      const next = this.#waiting.shift()
      if (next) yield next
      else
        await new Promise<void>((resolve) => {
          this.#wake = resolve
        })
    }
  }
}

const openWithNothing = {
  $case: 'open',
  open: { held: undefined, bundlesDigest: new Uint8Array() },
} as const

describe('a running agent', () => {
  it('serves what was created, changed and deleted at once, though it never polls', async () => {
    const { client, id, lines } = await startAgent()
    await create(mine(id, '/one'))
    await untilServed(client, '/one')
    const second = await create(mine(id, '/two'))
    await untilServed(client, '/one', '/two')
    await scene.local().entries.batchUpdateEntry({
      entries: [mine(id, '/three', { id: second })],
      inputMask: undefined,
      outputMask: undefined,
    })
    await untilServed(client, '/one', '/three')
    await scene.local().entries.batchDeleteEntry({ ids: [second] })
    await untilServed(client, '/one')
    expect(lines.filter((line) => /level=(error|warning)/.test(line))).toEqual([])
  })

  it('serves the bundles that its entries federate with as they come and change', async () => {
    const { client, id } = await startAgent()
    const { bundles } = scene.local()
    const own = await bundles.getBundle({ outputMask: undefined })
    const foreign = { ...own, trustDomain: 'foreign.org', jwtAuthorities: [] }
    await bundles.batchCreateFederatedBundle({ bundle: [foreign], outputMask: undefined })
    await create(mine(id, '/one', { federatesWith: ['foreign.org'] }))
    for await (const { bundles: served } of client.watchX509Context()) {
      if (served.find(TrustDomain.parse('foreign.org'))) break
    }
    await bundles.batchDeleteFederatedBundle({ trustDomains: ['foreign.org'], mode: 2 })
    for await (const { bundles: served } of client.watchX509Context()) if (served.size === 1) break
  })

  it('goes on where it was when the server comes back', async () => {
    const { client, id } = await startAgent()
    await create(mine(id, '/one'))
    await untilServed(client, '/one')
    await scene.restart()
    await create(mine(id, '/two'))
    await untilServed(client, '/one', '/two')
  })

  it('ends when it is banned while it listens', async () => {
    const { agent, id } = await startAgent()
    const path = id.replace('spiffe://example.org', '')
    const ended = agent.ended.then(
      () => undefined,
      (error: unknown) => error,
    )
    await scene.local().agents.banAgent({ id: { trustDomain: 'example.org', path } })
    expect(await ended).toMatchObject({ code: 'ERR_SYNC_FAILED' })
  })

  it('has what an operator waits for when the command returns', async () => {
    const { client, id } = await startAgent()
    const { entries } = scene.local()
    const push = createClient(PushService, scene.local().channel)
    const entryId = await create(mine(id, '/one'))
    const { agents } = await push.findAgents({ entryIds: [entryId] })
    expect(agents.map(({ path }) => `spiffe://example.org${path}`)).toEqual([id])
    const reply = await push.awaitAgents({ agents, timeoutMs: 30_000 })
    expect(reply.agents.map(({ state }) => state)).toEqual([1])
    const { svids } = await client.fetchX509Context()
    expect(svids.map(({ spiffeId }) => spiffeId.path)).toEqual(['/one'])
    await entries.batchDeleteEntry({ ids: [entryId] })
    await push.awaitAgents({ agents, timeoutMs: 30_000 })
    await expect(client.fetchX509Context()).rejects.toMatchObject({ kind: 'permission-denied' })
  })
})

describe('the stream', () => {
  it('is for agents: neither local operators nor anonymous clients get one', async () => {
    for (const clients of [scene.local(), scene.remote()]) {
      const requests = new Requests()
      requests.send(openWithNothing)
      const stream = createClient(PushService, clients.channel).subscribe(requests)
      await expect(stream[Symbol.asyncIterator]().next()).rejects.toMatchObject({ statusCode: 7 })
    }
    const push = createClient(PushService, scene.remote(await scene.join()).channel)
    await expect(push.findAgents({ entryIds: [] })).rejects.toMatchObject({ statusCode: 7 })
    await expect(push.awaitAgents({ agents: [], timeoutMs: 0 })).rejects.toMatchObject({
      statusCode: 7,
    })
  })

  it('shows an agent its own entries only, and is cut when the agent is evicted', async () => {
    const [one, two] = [await scene.join(), await scene.join()]
    await create(entryOf(one.id, '/one'), entryOf(two.id, '/two'))
    const requests = new Requests()
    requests.send(openWithNothing)
    const received: SubscribeResponse[] = []
    const read = async (): Promise<void> => {
      const push = createClient(PushService, scene.remote(one).channel)
      for await (const message of push.subscribe(requests)) {
        received.push(message)
        if (message.content?.$case !== 'snapshot') continue
        const path = one.id.replace('spiffe://example.org', '')
        await scene.local().agents.deleteAgent({ id: { trustDomain: 'example.org', path } })
      }
    }
    await expect(read()).rejects.toMatchObject({ statusCode: 14 })
    expect(received.map(({ content }) => content?.$case)).toEqual(['bundles', 'snapshot'])
    const { content } = received[1] ?? {}
    expect(
      content?.$case === 'snapshot' && content.snapshot.entries.map((e) => e.spiffeId?.path),
    ).toEqual(['/one'])
  })
})

describe('entry create, update and delete with -wait', () => {
  it('return when agents have acknowledged, or say which have not', async () => {
    await using processes = new Scene()
    const server = await ServerDeployment.start(processes)
    const agent = await AgentDeployment.start(processes, server, {
      settings: 'experimental { sync_interval = "1h" }',
    })
    const { agents } = JSON.parse(server.must('agent', 'list', '-output', 'json'))
    const parent = `spiffe://example.org${agents[0].id.path}`
    const selector = `unix:uid:${process.geteuid?.()}`
    const fields = ['-parentID', parent, '-selector', selector, '-wait', '-waitTimeout', '20s']
    const created = server.cli('entry', 'create', ...fields, '-spiffeID', 'spiffe://example.org/a')
    expect([created.status, created.stderr]).toEqual([0, 'Acknowledged by all 1 agents\n'])
    expect(agent.cli('api', 'fetch', 'x509').stdout).toContain('spiffe://example.org/a')
    const [, id = ''] = /Entry ID +: (\S+)/.exec(created.stdout) ?? []
    const one = [...fields, '-entryID', id, '-spiffeID', 'spiffe://example.org/b']
    expect(server.cli('entry', 'update', ...one).status).toBe(0)
    const removed = server.cli('entry', 'delete', '-entryID', id, '-wait', '-output', 'json')
    expect([removed.status, JSON.parse(removed.stdout).results[0].id]).toEqual([0, id])
    expect(agent.cli('api', 'fetch', 'x509').stderr).toContain('no identity issued')
    await agent.daemon.stop()
    const late = server.cli(
      ...['entry', 'create', '-parentID', parent, '-selector', selector, '-wait'],
      ...['-waitTimeout', '100ms', '-spiffeID', 'spiffe://example.org/c'],
    )
    expect(late.status).toBe(1)
    expect(late.stderr).toBe(
      `Error: 1 of 1 agents have not acknowledged within 100ms: ${parent} (not connected)\n`,
    )
  })
})
