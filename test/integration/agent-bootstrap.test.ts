import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Agent } from '@mini-spire/agent/agent'
import type { ResolvedAgentConfig } from '@mini-spire/agent/config/resolved-config'
import { systemClock } from '@mini-spire/runtime/clock'
import { createLogger } from '@mini-spire/runtime/log/create-logger'
import { FakeWorkloadApi, TestCa } from '@mini-spire/sdk/testing'
import { WorkloadApiClient } from '@mini-spire/sdk/workload-api'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { testAgentConfig } from '../kit/agent-config.ts'
import { FakeServer } from '../kit/fake-server.ts'

let folder: string
let server: FakeServer
let lines: string[]
const ends: (() => unknown)[] = []

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'agent-bootstrap-'))
  lines = []
  server = new FakeServer()
  await server.start()
  server.setEntry('1', '/web')
  await writeBundle()
  ends.push(
    () => rm(folder, { recursive: true, force: true }),
    () => server.stop(),
  )
})
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end()
})

function writeBundle(): Promise<void> {
  return writeFile(join(folder, 'bundle.pem'), server.bundlePem)
}

function makeAgent(more: Partial<ResolvedAgentConfig> = {}): Agent {
  const destination = { isTerminal: false, write: (text: string) => void lines.push(text) }
  const log = createLogger({ format: 'plain', level: 'debug', destination, clock: systemClock })
  const agent = new Agent(testAgentConfig(folder, server.port, more), { log })
  ends.push(() => agent.stop())
  return agent
}

async function servedPath(): Promise<string> {
  using client = new WorkloadApiClient({ address: `unix://${join(folder, 'public', 'api.sock')}` })
  return (await client.fetchX509Svid()).spiffeId.path
}

/** The server comes back with another authority, as after a disaster. */
async function replaceCa(): Promise<void> {
  await server.stop()
  server.ca = TestCa.create('example.org')
  await server.start()
}

async function state(): Promise<{ svid: unknown; bundle: unknown }> {
  return JSON.parse(await readFile(join(folder, 'data', 'agent-data.json'), 'utf8'))
}

async function fakeWorkloadApi(ca: TestCa): Promise<FakeWorkloadApi> {
  const api = await FakeWorkloadApi.start()
  ends.push(() => api[Symbol.asyncDispose]())
  api.serve({ ca, svids: [ca.issueX509Svid('/other-agent')] })
  return api
}

describe('bootstrap by the Workload API of another agent', () => {
  it('does not take the bundle of another trust domain', async () => {
    const { address } = await fakeWorkloadApi(TestCa.create('other.org'))
    const agent = makeAgent({ bootstrap: { kind: 'workload-api', address } })
    const started = agent.start()
    started.catch(() => {})
    await expect
      .poll(() => lines.join(''))
      .toContain('did not provide a trust bundle for trust domain')
    await agent.stop()
    await expect(started).rejects.toThrow()
    expect(server.calls).toEqual([])
  })

  it('trusts the server that its bundle vouches for', async () => {
    const { address } = await fakeWorkloadApi(server.ca)
    await makeAgent({ bootstrap: { kind: 'workload-api', address } }).start()
    expect(await servedPath()).toBe('/web')
  })
})

describe('when the authority of the server was replaced', () => {
  it('an agent that may not bootstrap again ends, and keeps its state', async () => {
    const agent = makeAgent()
    await agent.start()
    await replaceCa()
    await expect(agent.ended).rejects.toMatchObject({ code: 'ERR_SYNC_FAILED' })
    const { svid, bundle } = await state()
    expect([svid, bundle]).toEqual([[expect.any(String)], [expect.any(String)]])
  })

  it.each(['auto', 'always'] as const)(
    'an agent with mode %s ends after the delay, and the next start trusts the new one',
    async (rebootstrapMode) => {
      const agent = makeAgent({ rebootstrapMode, rebootstrapDelayMs: 300 })
      await agent.start()
      await replaceCa()
      await expect(agent.ended).rejects.toMatchObject({ code: 'ERR_SHUTDOWN_TO_REBOOTSTRAP' })
      expect(lines.join('')).toContain("Trust Bundle and Server don't agree, ignoring for now")
      expect(await state()).toMatchObject({ svid: null, bundle: null })
      await agent.stop()
      await writeBundle()
      await makeAgent({ rebootstrapMode }).start()
      expect(await servedPath()).toBe('/web')
      expect(server.count('AttestAgent')).toBe(2)
    },
  )

  it('an agent that may bootstrap again tells a false server nothing, and comes back to the true one', async () => {
    const rebootstrap = { rebootstrapMode: 'always', rebootstrapDelayMs: 300 } as const
    const agent = makeAgent(rebootstrap)
    await agent.start()
    const trueCa = server.ca
    await replaceCa()
    const callsBefore = server.calls.length
    await expect(agent.ended).rejects.toMatchObject({ code: 'ERR_SHUTDOWN_TO_REBOOTSTRAP' })
    await agent.stop()
    lines.length = 0
    const again = makeAgent(rebootstrap)
    const started = again.start()
    await expect.poll(() => lines.join('')).toContain('Failed to retrieve attestation result')
    expect(lines.join('')).toContain('x509: certificate signed by unknown authority')
    expect(server.calls.slice(callsBefore)).toEqual([])
    await server.stop()
    server.ca = trueCa
    await server.start()
    await started
    expect(await servedPath()).toBe('/web')
  })
})
