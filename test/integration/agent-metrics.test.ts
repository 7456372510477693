import { execFile as execFileWithCallback } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { get } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { promisify } from 'node:util'
import { Agent } from '@mini-spire/agent/agent'
import { systemClock } from '@mini-spire/runtime/clock'
import { createLogger } from '@mini-spire/runtime/log/create-logger'
import { TestCa } from '@mini-spire/sdk/testing'
import { afterEach, describe, expect, it } from 'vitest'
import { testAgentConfig } from '../kit/agent-config.ts'
import { FakeServer } from '../kit/fake-server.ts'
import { freePort } from '../kit/processes.ts'
import { root } from '../kit/repository.ts'

const execFile = promisify(execFileWithCallback)
const ends: (() => unknown)[] = []
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end()
})

interface Scene {
  readonly server: FakeServer
  readonly address: string
  readonly scrape: () => Promise<string>
}

async function start(): Promise<Scene> {
  const folder = await mkdtemp(join(tmpdir(), 'agent-metrics-'))
  ends.push(() => rm(folder, { recursive: true, force: true }))
  const server = new FakeServer({ isReattestable: false })
  await server.start()
  ends.push(() => server.stop())
  server.setEntry('1', '/web')
  await writeFile(join(folder, 'bundle.pem'), server.bundlePem)
  const usual = testAgentConfig(folder, server.port)
  const port = await freePort()
  const { experimental } = usual
  const agent = new Agent(
    {
      ...usual,
      experimental: {
        ...experimental,
        rateLimit: { ...experimental.rateLimit, fetchX509Svid: 1 },
      },
      telemetry: {
        ...usual.telemetry,
        hasHostnameLabel: false,
        prometheus: { host: 'localhost', port, tls: undefined },
      },
    },
    { log: createLogger({ format: 'plain', level: 'error', destination, clock: systemClock }) },
  )
  ends.push(() => agent.stop())
  await agent.start()
  const scrape = (): Promise<string> =>
    new Promise((resolve, reject) => {
      get({ host: 'localhost', port, agent: false }, (response) => {
        text(response).then(resolve, reject)
      }).on('error', reject)
    })
  return { server, scrape, address: `unix://${usual.socketPath}` }
}

const destination = { isTerminal: false, write: () => {} }

/** A workload in a process of its own: the agent's own calls are not counted. */
async function fetchFromOutside(address: string): Promise<void> {
  const program = `import { WorkloadApiClient } from '@mini-spire/sdk/workload-api'
    const client = new WorkloadApiClient({ address: ${JSON.stringify(address)} })
    await client.fetchX509Svid()
    await client.fetchX509Svid().catch(() => {})
    await client.fetchJwtSvid({ audience: ['a'] })
    process.exit()`
  await execFile(process.execPath, ['--input-type=module', '-e', program], { cwd: root })
}

describe('an agent that is scraped', () => {
  it('tells under SPIRE’s names how it got its identity and what it synchronises', async () => {
    const { scrape } = await start()
    const body = await scrape()
    for (const line of [
      'spire_agent_node_attestor_new_svid{attestor="join_token",status="OK"} 1',
      'spire_agent_manager_sync_fetch_svids_updates{status="OK"} 1',
      'spire_agent_agent_key_manager_generate_key{status="OK"} 1',
      'spire_agent_agent_key_manager_get_keys{status="OK"} 1',
      'spire_agent_bootstrapped 1',
      'spire_agent_bootstrap_attempts{mode="rebootstrap"} 0',
      'spire_agent_sync_bundles_total 1',
      'spire_agent_sync_entries_total 1',
      'spire_agent_lru_cache_entry_add 1',
      'spire_agent_lru_cache_entry_remove 0',
      'spire_agent_lru_cache_record_map_size 1',
      'spire_agent_lru_cache_svid_map_size 1',
    ])
      expect(body).toContain(`${line}\n`)
    expect(body).toMatch(/spire_agent_manager_sync_fetch_entries_updates\{status="OK"\} \d/)
    expect(body).toMatch(/fetch_entries_updates_elapsed_time_count\{status="OK"\} \d/)
  })

  it('counts what workloads do, and refusals by rate, but not its own calls', async () => {
    const { scrape, address } = await start()
    await fetchFromOutside(address)
    const body = await scrape()
    for (const line of [
      'spire_agent_workload_api_workload_attestation{status="OK"} 3',
      'spire_agent_workload_api_workload_attestor{attestor="unix",status="OK"} 3',
      'spire_agent_workload_api_discovered_selectors_count 3',
      'spire_agent_workload_api_rate_limit_exceeded{method="_SpiffeWorkloadAPI_FetchX509SVID"} 1',
      'spire_agent_workload_api_connection 3',
      'spire_agent_jwt_svid_cache_size 1',
    ])
      expect(body).toContain(`${line}\n`)
  })

  it('says that a root was tainted, that its own SVID was rotated, and that syncs fail', async () => {
    const { server, scrape } = await start()
    const old = server.ca
    server.ca = TestCa.create('example.org')
    server.oldRoots.push({ certificate: old.certificate.raw, tainted: true })
    await expect
      .poll(scrape)
      .toMatch(/cache_manager_workload_process_tainted_x509_svids\{status="OK"\} 1\n/)
    expect(await scrape()).toContain(
      'spire_agent_cache_manager_tainted_x509_svids_workload_sum 1\n',
    )
    await expect.poll(scrape).toMatch(/spire_agent_agent_svid_rotate\{status="OK"\} \d/)
    await server.stop()
    await expect
      .poll(scrape)
      .toMatch(/manager_sync_fetch_entries_updates\{status="Unavailable"\} \d/)
  })
})
