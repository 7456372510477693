import { spawn } from 'node:child_process'
import { chmodSync, writeFileSync } from 'node:fs'
import { createServer, type Socket } from 'node:net'
import { basename, join } from 'node:path'
import { TestCa } from '@mini-spire/sdk/testing'
import { pemEncode } from '@mini-spire/sdk/x509'
import { AgentDeployment, type DeploymentOptions, ServerDeployment } from '../kit/deployment.ts'
import { makeNodeCertificate, x509PopPlugins } from '../kit/node-certificate.ts'
import { type AllPrograms, type Finished, type Program, Scene } from '../kit/processes.ts'
import { root } from '../kit/repository.ts'
import { startFakeDaemon } from './fake-daemon.ts'
import { type Names, normalise } from './normalise.ts'
import { openOidcScene } from './oidc-scene.ts'

/** What stands ready before the first command of a transcript runs. */
interface Setting {
  readonly environment: Readonly<Record<string, string>>
  readonly names: Names
  readonly stop?: () => void
}

/** How a kind of scene is set up. */
interface Recipe {
  /** Commands change nothing, so that they may run at the same time. */
  readonly isStateless?: true
  /** No time that is printed comes from the run. */
  readonly hasFixedTimes?: true
  readonly open: (scene: Scene, programs: AllPrograms) => Promise<Setting>
}

/** The kinds of scenes: the folders below `transcripts/`. */
export const recipes: Readonly<Record<string, Recipe>> = {
  // Nobody listens.
  alone: {
    isStateless: true,
    open: async () => ({
      environment: {
        SAMPLES: join(root, 'test/cli/samples'),
        SERVER_PLUGINS: `plugins { DataStore "sql" { plugin_data { database_type = "sqlite3" connection_string = "x" } } KeyManager "memory" {} NodeAttestor "join_token" {} }`,
        AGENT_PLUGINS:
          'plugins { NodeAttestor "join_token" {} KeyManager "memory" {} WorkloadAttestor "unix" {} }',
      },
      names: {},
    }),
  },
  // The OIDC provider's command line and configuration.
  'oidc-alone': { isStateless: true, open: async () => ({ environment: {}, names: {} }) },
  // The OIDC provider, as it is found, below a path without TLS, and with URLs of its configuration.
  oidc: { isStateless: true, open: openOidc('log_requests = true') },
  'oidc-insecure': {
    isStateless: true,
    open: openOidc(
      'allow_insecure_scheme = true set_key_use = true server_path_prefix = "/tenant/a"',
    ),
  },
  'oidc-issuer': {
    isStateless: true,
    open: openOidc('jwt_issuer = "https://issuer.test/a b/" server_path_prefix = "/x/"'),
  },
  'oidc-urls': {
    isStateless: true,
    open: openOidc('jwt_issuer = "https://issuer.test" jwks_uri = "https://keys.test/k?v=<1>"'),
  },
  // A socket behind which fixed answers stand, so that every character of what is printed is known.
  answers: {
    isStateless: true,
    hasFixedTimes: true,
    open: async (scene) => {
      const { socket, stop } = await openAnswers(scene, 'well')
      return { environment: { SPIRE_SERVER_PRIVATE_SOCKET: socket }, names: {}, stop }
    },
  },
  // The same, of daemons with which something is wrong.
  unwell: {
    isStateless: true,
    hasFixedTimes: true,
    open: async (scene) => {
      const { socket, stop } = await openAnswers(scene, 'unwell')
      const environment = { SPIRE_SERVER_PRIVATE_SOCKET: socket, SPIRE_AGENT_PUBLIC_SOCKET: socket }
      return { environment, names: {}, stop }
    },
  },
  // Sockets behind which nobody speaks gRPC.
  'odd-peers': { isStateless: true, open: openOddPeers },
  server: { open: openServer({}) },
  'server-short-lived': { open: openServer({ settings: 'ca_ttl = "2m"' }) },
  'server-with-wit': {
    open: async (scene, programs) => {
      const settings = 'experimental { feature_flags = ["wit-svid"] }'
      const { environment, ...more } = await openServer({ settings })(scene, programs)
      return { ...more, environment: { ...environment, SPIRE_SERVER_FFLAGS: 'wit-svid' } }
    },
  },
  // A server whose CA is signed by one on disk.
  'server-below': { open: openServerBelow },
  'server-without-jwt': { open: openServer({ settings: 'disable_jwt_svids = true' }) },
  // A server that agents have attested to; the agents are gone again.
  agents: { open: openAgents },
  // An agent that serves this user.
  workload: { open: openWorkload },
  // An agent that serves this user, who federates with two trust domains.
  'federated-workload': { open: openFederatedWorkload },
  // An agent that serves nobody.
  stranger: { open: openStranger },
}

async function openAnswers(
  scene: Scene,
  mood: 'well' | 'unwell',
): Promise<{ readonly socket: string; readonly stop: () => void }> {
  const socket = scene.path('answers.sock')
  const daemon = await startFakeDaemon(socket, mood)
  return { socket, stop: () => daemon.stop() }
}

async function openOddPeers(scene: Scene): Promise<Setting> {
  const sockets = [
    await listenOddly(scene.path('http1.sock'), (socket) =>
      socket.once('data', () => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n')),
    ),
    await listenOddly(scene.path('greeting.sock'), (socket) =>
      socket.write('SSH-2.0-OpenSSH_9\r\n'),
    ),
    await listenOddly(scene.path('mute.sock'), () => {}),
  ]
  return {
    environment: { SOCKETS: scene.folder },
    names: {},
    stop: () => {
      for (const close of sockets) close()
    },
  }
}

async function listenOddly(path: string, greet: (socket: Socket) => void): Promise<() => void> {
  const open = new Set<Socket>()
  const server = createServer((socket) => {
    open.add(socket.on('error', () => {}))
    greet(socket)
  })
  await new Promise<void>((resolve) => server.listen(path, resolve))
  return () => {
    for (const socket of open) socket.destroy()
    server.close()
  }
}

function openServer(options: DeploymentOptions): Recipe['open'] {
  return async (scene, programs) => {
    const server = await ServerDeployment.start(scene, { ...options, program: programs.server })
    return settingOf(server)
  }
}

async function openServerBelow(scene: Scene, programs: AllPrograms): Promise<Setting> {
  const folder = scene.makeFolder('above')
  const ca = TestCa.create('example.org')
  const [cert, key] = [join(folder, 'root.pem'), join(folder, 'root.key')]
  writeFileSync(cert, pemEncode('CERTIFICATE', ca.certificate.raw))
  writeFileSync(key, ca.privateKey.export({ type: 'pkcs8', format: 'pem' }))
  const morePlugins = `UpstreamAuthority "disk" { plugin_data { cert_file_path = "${cert}" key_file_path = "${key}" } }`
  return await openServer({ morePlugins })(scene, programs)
}

function settingOf(server: ServerDeployment, agent?: AgentDeployment): Setting {
  const agentSockets = agent && {
    SPIRE_AGENT_PUBLIC_SOCKET: agent.socket,
    ADMIN_SOCKET: agent.adminSocket,
  }
  return {
    environment: { SPIRE_SERVER_PRIVATE_SOCKET: server.socket, ...agentSockets },
    names: { port: `${server.port}` },
  }
}

function openOidc(settings: string): Recipe['open'] {
  return (scene, programs) => openOidcScene(scene, programs, settings)
}

async function openAgents(scene: Scene, programs: AllPrograms): Promise<Setting> {
  const node = makeNodeCertificate(scene.folder, 'node')
  const folder = scene.path('server')
  const server = await ServerDeployment.start(scene, {
    program: programs.server,
    settings: 'agent_ttl = "5s"',
    plugins: `
    DataStore "sql" { plugin_data { database_type = "sqlite3" connection_string = "${folder}/datastore.sqlite3" } }
    KeyManager "memory" { plugin_data {} }
    NodeAttestor "join_token" { plugin_data {} }
    NodeAttestor "x509pop" { plugin_data { ca_bundle_path = "${node.ca}" } }`,
  })
  const first = await AgentDeployment.start(scene, server, { program: programs.agent })
  await first.daemon.stop('SIGKILL')
  const second = await AgentDeployment.start(scene, server, {
    name: 'agent-2',
    program: programs.agent,
    args: [],
    plugins: x509PopPlugins(node),
  })
  await second.daemon.stop('SIGKILL')
  return settingOf(server)
}

async function openWorkload(scene: Scene, programs: AllPrograms): Promise<Setting> {
  const server = await ServerDeployment.start(scene, { program: programs.server })
  const token = server.must('token', 'generate', '-spiffeID', 'spiffe://example.org/node')
  const selector = `unix:uid:${process.getuid?.() ?? 0}`
  for (const path of ['/workload', '/second']) {
    const id = `spiffe://example.org${path}`
    // The Workload API answers in the order of the entries' IDs.
    const flags = ['-entryID', path.slice(1), '-spiffeID', id, '-selector', selector]
    const hint = path === '/second' ? ['-hint', 'internal'] : []
    server.must('entry', 'create', '-parentID', 'spiffe://example.org/node', ...flags, ...hint)
  }
  const agent = await AgentDeployment.start(scene, server, {
    program: programs.agent,
    args: ['-joinToken', token.split(/\s/)[1] ?? ''],
  })
  await untilServed(agent, programs.agent, ['/second', '/workload'])
  return settingOf(server, agent)
}

async function openFederatedWorkload(scene: Scene, programs: AllPrograms): Promise<Setting> {
  const server = await ServerDeployment.start(scene, { program: programs.server })
  const token = server.must('token', 'generate', '-spiffeID', 'spiffe://example.org/node')
  const bundle = server.writeBundle()
  const domains = ['one.org', 'two.org']
  for (const domain of domains) server.must('bundle', 'set', '-id', domain, '-path', bundle)
  const selector = `unix:uid:${process.getuid?.() ?? 0}`
  const flags = ['-spiffeID', 'spiffe://example.org/workload', '-selector', selector]
  for (const domain of domains) flags.push('-federatesWith', domain)
  server.must('entry', 'create', '-parentID', 'spiffe://example.org/node', ...flags)
  const agent = await AgentDeployment.start(scene, server, {
    program: programs.agent,
    args: ['-joinToken', token.split(/\s/)[1] ?? ''],
  })
  await untilServed(agent, programs.agent, ['/workload'])
  return settingOf(server, agent)
}

async function openStranger(scene: Scene, programs: AllPrograms): Promise<Setting> {
  const server = await ServerDeployment.start(scene, { program: programs.server })
  const agent = await AgentDeployment.start(scene, server, { program: programs.agent })
  return settingOf(server, agent)
}

/** Fetches until the agent knows these entries; each try is a process, which paces the loop. */
async function untilServed(
  agent: AgentDeployment,
  program: Program,
  paths: readonly string[],
): Promise<void> {
  const fetchAll = [program.command, ...program.args, 'api', 'fetch', '-output', 'json']
  let last: Finished | undefined
  for (let tries = 0; tries < 500; tries++) {
    // Not synchronously: the agent would wait for us to read its log.
    last = await run([...fetchAll, '-socketPath', agent.socket], '/', {})
    if (paths.every((path) => last?.stdout.includes(`example.org${path}"`))) return
  }
  throw new Error(`not served: ${last?.stdout}${last?.stderr}`)
}

/** A scene in which transcripts are played: a working folder, the programs by SPIRE's names, and what its kind adds. */
export class Stage implements AsyncDisposable {
  readonly #scene: Scene
  readonly #setting: Setting
  readonly #folder: string
  readonly #hasFixedTimes: boolean

  private constructor(scene: Scene, setting: Setting, hasFixedTimes: boolean) {
    this.#hasFixedTimes = hasFixedTimes
    this.#scene = scene
    this.#setting = setting
    this.#folder = scene.makeFolder('work')
  }

  /** Sets up a scene of a kind with the programs given. */
  static async open(kind: string, programs: AllPrograms): Promise<Stage> {
    const recipe = recipes[kind]
    if (!recipe) throw new Error(`no recipe for the scene "${kind}"`)
    const scene = new Scene()
    try {
      scene.makeFolder('bin')
      writeLink(scene.path('bin', 'spire-server'), programs.server)
      writeLink(scene.path('bin', 'spire-agent'), programs.agent)
      writeLink(scene.path('bin', 'oidc-discovery-provider'), programs.oidcProvider)
      return new Stage(scene, await recipe.open(scene, programs), recipe.hasFixedTimes === true)
    } catch (error) {
      await scene[Symbol.asyncDispose]()
      throw error
    }
  }

  /** Runs a command line in the working folder and returns what it printed, normalised. */
  async run(command: string): Promise<Finished> {
    const { stdout, stderr, status } = await run(['bash', '-c', command], this.#folder, {
      PATH: `${this.#scene.path('bin')}:${process.env['PATH']}`,
      TZ: 'UTC',
      LC_ALL: 'C',
      ...this.#setting.environment,
    })
    const names = { ...this.#setting.names, scene: this.#scene.folder }
    const nowMs = this.#hasFixedTimes ? undefined : Date.now()
    const plain = (text: string): string => normalise(text, names, nowMs)
    return { stdout: plain(stdout), stderr: plain(stderr), status }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#setting.stop?.()
    await this.#scene[Symbol.asyncDispose]()
  }
}

/** A program under SPIRE's name, as operators' scripts call it. */
function writeLink(path: string, { command, args }: Program): void {
  const words = [command, ...args].map((word) => `'${word}'`).join(' ')
  writeFileSync(path, `#!/bin/bash\nexec -a '${basename(path)}' ${words} "$@"\n`)
  chmodSync(path, 0o755)
}

/** Runs a command to its end, or for half a minute. */
function run(
  words: readonly string[],
  cwd: string,
  env: Readonly<Record<string, string>>,
): Promise<Finished> {
  const child = spawn('timeout', ['30', ...words], { cwd, env, stdio: ['ignore', 'pipe', 'pipe'] })
  let stdout = ''
  let stderr = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text
  })
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text
  })
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (status) => resolve({ stdout, stderr, status }))
  })
}
