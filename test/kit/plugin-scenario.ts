import { X509Certificate } from 'node:crypto'
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { watch } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { expect } from 'vitest'
import { AgentDeployment, ServerDeployment } from './deployment.ts'
import { freePort, type Program, type Programs, runProgram, type Scene } from './processes.ts'
import { parseScrape, scrape } from './scrapes.ts'

/** A line of what a plugin wrote down. */
type Written = Readonly<Record<string, unknown>>

interface Ports {
  readonly server: number
  readonly agent: number
}

const timeoutMs = 60_000
const prometheus = (port: number): string =>
  `telemetry { Prometheus { host = "localhost" port = ${port} } }`

/** A server and an agent whose plugins are all of one program, built with SPIRE's plugin SDK. */
export class PluginScenario {
  readonly scene: Scene
  readonly server: ServerDeployment
  /** Where metrics are scraped. */
  readonly ports: Ports
  readonly #plugins: string
  readonly #programs: Programs

  private constructor(
    scene: Scene,
    parts: {
      readonly server: ServerDeployment
      readonly plugins: string
      readonly programs: Programs
      readonly ports: Ports
    },
  ) {
    this.scene = scene
    this.server = parts.server
    this.ports = parts.ports
    this.#plugins = parts.plugins
    this.#programs = parts.programs
  }

  /** Starts a server with an external plugin of each type that it has. */
  static async start(scene: Scene, programs: Programs, plugins: string): Promise<PluginScenario> {
    const folder = scene.makeFolder('told')
    const settings = `directory = "${folder}"`
    writeFileSync(scene.path('tofu.conf'), 'value = "first"')
    const block = (type: string, name: string, how: string, data: string): string =>
      `${type} "${name}" { plugin_cmd = "${plugins}" plugin_args = ["${how}"] ${data} }`
    const ports = { server: await freePort(), agent: await freePort() }
    const server = await ServerDeployment.start(scene, {
      program: programs.server,
      blocks: prometheus(ports.server),
      plugins: `
    DataStore "sql" { plugin_data { database_type = "sqlite3" connection_string = "${scene.path('server')}/datastore.sqlite3" } }
    ${block('KeyManager', 'held', 'server-key-manager', '')}
    ${block('UpstreamAuthority', 'above', 'upstream-authority', '')}
    ${block('CredentialComposer', 'mark', 'credential-composer', '')}
    ${block('NodeAttestor', 'tofu', 'server-node-attestor', `plugin_data_file = "${scene.path('tofu.conf')}"`)}
    ${block('Notifier', 'witness', 'notifier', `plugin_data { ${settings} }`)}
    ${block('BundlePublisher', 'shelf', 'bundle-publisher', `plugin_data { ${settings} }`)}
`,
    })
    return new PluginScenario(scene, { server, plugins, programs, ports })
  }

  /** Starts an agent with external plugins; the node says that this is its name. */
  async startAgent(name: string, node: string): Promise<AgentDeployment> {
    const block = (type: string, plugin: string, how: string, data: string): string =>
      `${type} "${plugin}" { plugin_cmd = "${this.#plugins}" plugin_args = ["${how}"] plugin_data { ${data} } }`
    return await AgentDeployment.start(this.scene, this.server, {
      name,
      program: this.#programs.agent,
      args: [],
      // The first agent has the port.
      blocks: name === 'agent' ? prometheus(this.ports.agent) : '',
      plugins: `
    KeyManager "disk" { plugin_data { directory = "${this.scene.path(name)}" } }
    ${block('NodeAttestor', 'tofu', 'agent-node-attestor', `value = "${node}"`)}
    ${block('WorkloadAttestor', 'look', 'workload-attestor', 'value = "blue"')}
    ${block('SVIDStore', 'shelf', 'svid-store', `directory = "${this.scene.path('told')}"`)}
`,
    })
  }

  /** Waits until a plugin has written a line that fits into a file, and returns it. */
  async written(file: string, fits: (line: Written) => boolean): Promise<Written> {
    const path = this.scene.path('told', file)
    const find = (): Written | undefined =>
      existsSync(path)
        ? readFileSync(path, 'utf8')
            .split('\n')
            .filter((line) => line !== '')
            .map((line) => JSON.parse(line) as Written)
            .find(fits)
        : undefined
    const signal = AbortSignal.timeout(timeoutMs)
    const changes = watch(this.scene.path('told'), { signal })
    const found = find()
    if (found) return found
    for await (const _ of changes) {
      const later = find()
      if (later) return later
    }
    throw new Error(`nothing that fits was written to ${file}`)
  }

  /** Process IDs of the plugins that run. */
  pluginProcesses(): readonly string[] {
    return readdirSync('/proc').filter((pid) => {
      try {
        const [command] = readFileSync(join('/proc', pid, 'cmdline'), 'utf8').split('\0')
        return /^\d+$/.test(pid) && command === this.#plugins
      } catch {
        return false
      }
    })
  }
}

/** What plugins of SPIRE's SDK do on both daemons, whoever wrote the daemons. */
export async function playPlugins(
  scene: Scene,
  programs: Programs,
  plugins: string,
): Promise<void> {
  const scenario = await PluginScenario.start(scene, programs, plugins)
  const { server } = scenario
  const loaded = await scenario.written('notified.jsonl', ({ event }) => event === 'loaded')
  expect(loaded).toMatchObject({ trustDomain: 'example.org', hasKey: true })
  expectValidated(scenario, programs.server)
  const agent = await scenario.startAgent('agent', 'node-1')
  expect(server.daemon.output).toMatch(/msg="Trusting on first use".*node=node-1/)
  expect(server.must('agent', 'list')).toContain('spiffe://example.org/spire/agent/tofu/node-1')
  await expectWorkload(server, agent, programs.agent)
  await expectStored(scenario)
  await expectAnnounced(scenario)
  await expectCounted(scenario)
  await expectSecondRefused(scenario)
  await expectReconfigured(scenario)
  await agent.daemon.stop()
  await server.daemon.stop()
  expect(server.daemon.output).toMatch(/msg="Plugin unloaded"/)
  expect(scenario.pluginProcesses()).toEqual([])
}

/** The configuration is shown to the plugins, which say what they have against it. */
function expectValidated({ scene, server }: PluginScenario, program: Program): void {
  const validate = ['validate', '-config', server.config]
  expect(runProgram(program, validate)).toMatchObject({
    status: 0,
    stdout: 'SPIRE server configuration file is valid.\n',
  })
  writeFileSync(scene.path('tofu.conf'), 'refused = "not like this"')
  expect(runProgram(program, validate)).toMatchObject({
    status: 1,
    stderr:
      'SPIRE server configuration file is invalid.\nValidation errors:\n\tNodeAttestor "tofu":\n\t\tnot like this\n',
  })
  writeFileSync(scene.path('tofu.conf'), 'value = "first"')
}

const parent = 'spiffe://example.org/spire/agent/tofu/node-1'

async function expectWorkload(
  server: ServerDeployment,
  agent: AgentDeployment,
  program: Program,
): Promise<void> {
  const id = 'spiffe://example.org/looked-at'
  server.must(
    ...['entry', 'create', '-parentID', parent, '-spiffeID', id],
    ...['-selector', 'look:value:blue', '-selector', 'look:has-pid:true'],
  )
  await agent.daemon.waitFor(/Entry created|Creating X509-SVID/)
  const flags = ['-socketPath', agent.socket, '-timeout', '30s']
  const folder = dirname(agent.config)
  const fetch = ['api', 'fetch', 'x509', ...flags, '-write', folder]
  for (let tries = 0; !runProgram(program, fetch).stdout.includes(id); tries++) {
    if (tries > 100) throw new Error('not served')
  }
  const svid = new X509Certificate(readFileSync(join(folder, 'svid.0.pem')))
  expect(svid.subject).toContain('CN=composed')
  const fetchJwt = ['api', 'fetch', 'jwt', ...flags, '-audience', 'a', '-output', 'json']
  const [{ svids }] = JSON.parse(runProgram(program, fetchJwt).stdout)
  const claims = Buffer.from(svids[0].svid.split('.')[1], 'base64url').toString()
  expect(JSON.parse(claims)).toMatchObject({ sub: id, aud: ['a'], composed: 'yes' })
}

async function expectStored(scenario: PluginScenario): Promise<void> {
  const id = 'spiffe://example.org/elsewhere'
  const created = scenario.server.must(
    ...['entry', 'create', '-parentID', parent, '-spiffeID', id, '-storeSVID'],
    ...['-selector', 'shelf:where:here'],
  )
  const put = await scenario.written('svids.jsonl', ({ event }) => event === 'put')
  expect(put).toMatchObject({ spiffeID: id, metadata: ['where:here'] })
  expect((put['chain'] as readonly string[]).length).toBeGreaterThan(0)
  expect(put['bundle']).toHaveLength(1)
  const entryId = /Entry ID\s+: (\S+)/.exec(created)?.[1] ?? ''
  scenario.server.must('entry', 'delete', '-entryID', entryId)
  const gone = await scenario.written('svids.jsonl', ({ event }) => event === 'delete')
  expect(gone).toMatchObject({ metadata: ['where:here'] })
}

async function expectAnnounced(scenario: PluginScenario): Promise<void> {
  const prepared = scenario.server.must('localauthority', 'jwt', 'prepare', '-output', 'json')
  const { authority_id: keyId } = JSON.parse(prepared).prepared_authority
  const names = ({ jwt }: Written): boolean => ((jwt ?? []) as readonly string[]).includes(keyId)
  await scenario.written('notified.jsonl', names)
  await scenario.written('published.jsonl', names)
}

/** What a plugin counts, and what is counted of plugins, is among the metrics. */
async function expectCounted({ ports }: PluginScenario): Promise<void> {
  const server = await scrape(ports.server)
  expect(server).toMatch(/^spire_server_test_notified\{event="loaded",host="[^"]+"\} 1$/m)
  const agent = parseScrape(await scrape(ports.agent))
  expect(agent.get('spire_agent_store_store_svid_updates')).toMatchObject({ type: 'counter' })
}

async function expectSecondRefused(scenario: PluginScenario): Promise<void> {
  const text = 'attestation data has already been used to attest an agent'
  await expect(scenario.startAgent('second', 'node-1')).rejects.toThrow(text)
  await expect(scenario.startAgent('third', 'nobody')).rejects.toThrow('nobody is not welcome')
}

async function expectReconfigured({ scene, server }: PluginScenario): Promise<void> {
  const { daemon } = server
  const signalled = async (line: string): Promise<void> => {
    daemon.process.kill('SIGUSR1')
    await daemon.waitFor(line)
  }
  await signalled('msg="Plugin not reconfigured since the config is unchanged"')
  writeFileSync(scene.path('tofu.conf'), 'value = "second"')
  await signalled('msg="Plugin reconfigured"')
  expect(daemon.output).toMatch(
    /msg="Plugin reconfigured".*new_hash=[0-9a-f]{32} old_hash=[0-9a-f]{32}/,
  )
  writeFileSync(scene.path('tofu.conf'), 'refused = "not like this"')
  await signalled('msg="Failed to reconfigure plugin"')
  expect(daemon.output).toContain('rpc error: code = InvalidArgument desc = not like this')
}
