import { writeFileSync } from 'node:fs'
import { createClient, openUnixChannel } from '@mini-spire/runtime/grpc/client'
import { DiscoveryRequest } from '@mini-spire/runtime/proto/envoy/service/discovery/v3/discovery'
import { SecretDiscoveryServiceService } from '@mini-spire/runtime/proto/envoy/service/secret/v3/sds'
import { WorkloadApiClient } from '@mini-spire/sdk/workload-api'
import { AgentDeployment, ServerDeployment } from './deployment.ts'
import { freePort, ours, type Program, type Scene } from './processes.ts'
import { parseScrape, type ScrapedMetric, scrape } from './scrapes.ts'

/** What both daemons showed after everything that this scene does. */
export interface ScrapedScene {
  readonly server: ReadonlyMap<string, ScrapedMetric>
  readonly agent: ReadonlyMap<string, ScrapedMetric>
}

const telemetry = (port: number): string => `telemetry {
    Prometheus { host = "localhost" port = ${port} }
    EnableTrustDomainLabel = true
}`

/**
 * Starts a server and an agent that are scraped, lets operators and workloads do what they commonly do, and scrapes both. Works for
 * our programs and for SPIRE's.
 */
export async function playMetricsScene(
  scene: Scene,
  programs: { readonly server: Program; readonly agent: Program },
): Promise<ScrapedScene> {
  const [serverPort, agentPort] = [await freePort(), await freePort()]
  const server = await ServerDeployment.start(scene, {
    program: programs.server,
    settings: 'agent_ttl = "20s"',
    blocks: telemetry(serverPort),
  })
  const agent = await AgentDeployment.start(scene, server, {
    program: programs.agent,
    cli: ours.agent,
    settings: 'experimental { sync_interval = "1s" use_sync_authorized_entries = false }',
    blocks: telemetry(agentPort),
  })
  operate(scene, server)
  await work(agent)
  await waitForSeries(serverPort, 'spire_server_rpc_agent_v1_agent_renew_agent{')
  const agentMetrics = parseScrape(await scrape(agentPort))
  changeAuthorities(server)
  return { server: parseScrape(await scrape(serverPort)), agent: agentMetrics }
}

/** Everything an operator asks the server for, more or less. */
function operate(scene: Scene, server: ServerDeployment): void {
  const { id } = JSON.parse(server.must('agent', 'list', '-output', 'json')).agents[0]
  const agentId = `spiffe://${id.trust_domain}${id.path}`
  const selector = `unix:uid:${process.getuid?.() ?? 0}`
  const create = (path: string, ...more: readonly string[]): void => {
    const spiffeId = `spiffe://${server.trustDomain}${path}`
    const names = ['-parentID', agentId, '-spiffeID', spiffeId, '-selector', selector]
    server.must('entry', 'create', ...names, ...more)
  }
  create('/web', '-entryID', 'web')
  create('/gone', '-entryID', 'gone')
  server.must('entry', 'delete', '-entryID', 'gone')
  server.must('entry', 'show')
  server.must('entry', 'show', '-entryID', 'web')
  server.must('entry', 'count')
  server.must('agent', 'count')
  server.must('agent', 'show', '-spiffeID', agentId)
  server.must('bundle', 'show')
  server.must('bundle', 'count')
  server.must('bundle', 'list')
  const foreign = scene.path('foreign.pem')
  writeFileSync(foreign, server.must('bundle', 'show'))
  server.must('bundle', 'set', '-id', 'spiffe://other.org', '-path', foreign)
  server.must('bundle', 'delete', '-id', 'spiffe://other.org')
  server.must('x509', 'mint', '-spiffeID', `spiffe://${server.trustDomain}/minted`)
  server.must('jwt', 'mint', '-spiffeID', `spiffe://${server.trustDomain}/minted`, '-audience', 'a')
  server.must('logger', 'get')
  server.must('debug', 'getinfo')
}

/** Prepares, activates, taints and revokes authorities, and deals with another trust domain. */
function changeAuthorities(server: ServerDeployment): void {
  for (const kind of ['x509', 'jwt']) {
    const run = (command: string, ...more: readonly string[]): void =>
      void server.must('localauthority', kind, command, ...more)
    const prepare = server.must('localauthority', kind, 'prepare', '-output', 'json')
    const { authority_id: id } = JSON.parse(prepare).prepared_authority
    const shown = server.must('localauthority', kind, 'show', '-output', 'json')
    const { authority_id: old } = JSON.parse(shown).active
    run('activate', '-authorityID', id)
    run('taint', '-authorityID', old)
    run('revoke', '-authorityID', old)
  }
  const other = ['-trustDomain', 'other.org', '-bundleEndpointURL', 'https://127.0.0.1:1/']
  const profile = ['-bundleEndpointProfile', 'https_web']
  server.must('federation', 'create', ...other, ...profile)
  server.must('federation', 'list')
  server.must('federation', 'show', '-trustDomain', 'other.org')
  server.must('federation', 'update', ...other, ...profile)
  server.must('federation', 'delete', '-id', 'other.org')
}

/** Everything a workload asks the agent for. */
async function work(agent: AgentDeployment): Promise<void> {
  using client = new WorkloadApiClient({ address: agent.address })
  for (let tries = 0; tries < 40; tries++) {
    if (agent.cli('api', 'fetch', 'x509').status === 0) break
  }
  await client.fetchX509Svid()
  await client.fetchX509Bundles()
  await client.fetchJwtBundles()
  const { token } = await client.fetchJwtSvid({ audience: ['a'] })
  await client.validateJwtSvid(token, 'a')
  using envoy = openUnixChannel(agent.socket)
  const secrets = createClient(SecretDiscoveryServiceService, envoy)
  await secrets.fetchSecrets(DiscoveryRequest.fromPartial({}))
}

/** Asks until a series is there; each question is a request, and the pause between them a process. */
async function waitForSeries(port: number, start: string): Promise<void> {
  for (let tries = 0; tries < 150; tries++) {
    if ((await scrape(port)).includes(`\n${start}`)) return
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 200)
  }
  throw new Error(`never: ${start}`)
}
