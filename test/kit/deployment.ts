import { writeFileSync } from 'node:fs'
import {
  type Daemon,
  type Finished,
  finishProgram,
  freePort,
  ours,
  type Program,
  runProgram,
  type Scene,
} from './processes.ts'

/** Keys of the `server` or `agent` block that a scenario adds or changes, as HCL lines. */
export interface DeploymentOptions {
  readonly name?: string
  readonly program?: Program
  /** Which program's command line drives it; the daemon's own unless given. */
  readonly cli?: Program
  readonly trustDomain?: string
  /** @default DEBUG */
  readonly logLevel?: string
  /** More lines of the `server { }` or `agent { }` block. */
  readonly settings?: string
  /** The whole `plugins { }` block, when the usual one does not fit. */
  readonly plugins?: string
  /** More plugins beside the usual ones. */
  readonly morePlugins?: string
  /** More top-level blocks. */
  readonly blocks?: string
  readonly env?: NodeJS.ProcessEnv
}

/** A server process with its configuration; the same folder and port serve again after a restart. */
export class ServerDeployment {
  readonly scene: Scene
  readonly trustDomain: string
  readonly port: number
  readonly socket: string
  readonly config: string
  readonly bundleFile: string
  readonly #options: DeploymentOptions
  #daemon: Daemon | undefined

  private constructor(scene: Scene, port: number, options: DeploymentOptions) {
    const name = options.name ?? 'server'
    this.scene = scene
    this.port = port
    this.#options = options
    this.trustDomain = options.trustDomain ?? 'example.org'
    const folder = scene.makeFolder(name)
    this.socket = scene.path(`${name}.sock`)
    this.config = scene.path(`${name}.conf`)
    this.bundleFile = scene.path(`${name}.bundle.pem`)
    writeFileSync(this.config, this.#configuration(folder))
  }

  /** Writes the configuration and starts the server. */
  static async start(scene: Scene, options: DeploymentOptions = {}): Promise<ServerDeployment> {
    const made = await ServerDeployment.prepare(scene, options)
    await made.restart()
    return made
  }

  /** Writes the configuration only; {@link ServerDeployment.restart} starts the server. */
  static async prepare(scene: Scene, options: DeploymentOptions = {}): Promise<ServerDeployment> {
    return new ServerDeployment(scene, await freePort(), options)
  }

  get daemon(): Daemon {
    if (!this.#daemon) throw new Error('the server was not started')
    return this.#daemon
  }

  /** Starts the server (again), perhaps as another program, and waits until both of its listeners are up. */
  async restart(chosen?: Program): Promise<void> {
    const daemon = this.launch(chosen)
    await daemon.waitFor('Starting Server APIs', { times: 2 })
    await untilHealthy(this.#cli, this.socket, daemon)
  }

  /** Starts the server (again), and waits for nothing. */
  launch(chosen?: Program): Daemon {
    const program = chosen ?? this.#options.program ?? ours.server
    const options = this.#options.env ? { env: this.#options.env } : {}
    this.#daemon = this.scene.start(program, ['run', '-config', this.config], options)
    return this.#daemon
  }

  /** Runs a command against this server's socket. */
  cli(...args: readonly string[]): Finished {
    return runProgram(this.#cli, [...args, '-socketPath', this.socket])
  }

  /** Runs a command that must succeed, and returns what it printed. */
  must(...args: readonly string[]): string {
    const done = this.cli(...args)
    if (done.status !== 0) throw new Error(`${args.join(' ')}: ${done.stderr}${done.stdout}`)
    return done.stdout
  }

  /** As {@link ServerDeployment.must}, while everything else in this process goes on. */
  async ask(...args: readonly string[]): Promise<string> {
    const done = await finishProgram(this.#cli, [...args, '-socketPath', this.socket])
    if (done.status !== 0) throw new Error(`${args.join(' ')}: ${done.stderr}${done.stdout}`)
    return done.stdout
  }

  /** Makes a join token. */
  token(): string {
    return this.must('token', 'generate').split('\n')[0]?.split(' ')[1] ?? ''
  }

  /** Writes the current bundle to a file and returns its path. */
  writeBundle(): string {
    writeFileSync(this.bundleFile, this.must('bundle', 'show'))
    return this.bundleFile
  }

  get #cli(): Program {
    return this.#options.cli ?? this.#options.program ?? ours.server
  }

  #configuration(folder: string): string {
    const { settings = '', plugins, morePlugins = '', blocks = '' } = this.#options
    const usual = `
    DataStore "sql" { plugin_data { database_type = "sqlite3" connection_string = "${folder}/datastore.sqlite3" } }
    KeyManager "disk" { plugin_data { keys_path = "${folder}/keys.json" } }
    NodeAttestor "join_token" { plugin_data {} }
    ${morePlugins}`
    return `server {
    bind_address = "127.0.0.1"
    bind_port    = ${this.port}
    socket_path  = "${this.socket}"
    trust_domain = "${this.trustDomain}"
    data_dir     = "${folder}"
    log_level    = "${this.#options.logLevel ?? 'DEBUG'}"
    ${settings}
}
plugins {${plugins ?? usual}
}
${blocks}
`
  }
}

/** An agent process with its configuration. */
export class AgentDeployment {
  readonly scene: Scene
  readonly folder: string
  readonly socket: string
  readonly adminSocket: string
  readonly config: string
  readonly #options: DeploymentOptions
  #daemon: Daemon | undefined

  private constructor(scene: Scene, server: ServerDeployment, options: DeploymentOptions) {
    const name = options.name ?? 'agent'
    this.scene = scene
    this.#options = options
    this.folder = scene.makeFolder(name)
    scene.makeFolder(`${name}-public`)
    scene.makeFolder(`${name}-admin`)
    this.socket = scene.path(`${name}-public`, 'api.sock')
    this.adminSocket = scene.path(`${name}-admin`, 'admin.sock')
    this.config = scene.path(`${name}.conf`)
    writeFileSync(this.config, this.#configuration(server))
  }

  /** Writes the configuration, and starts the agent with a fresh join token unless told otherwise. */
  static async start(
    scene: Scene,
    server: ServerDeployment,
    options: DeploymentOptions & { readonly args?: readonly string[] } = {},
  ): Promise<AgentDeployment> {
    const made = AgentDeployment.prepare(scene, server, options)
    await made.restart(options.args ?? ['-joinToken', server.token()])
    return made
  }

  /** Writes the configuration only; {@link AgentDeployment.begin} and {@link AgentDeployment.restart} start the agent. */
  static prepare(
    scene: Scene,
    server: ServerDeployment,
    options: DeploymentOptions = {},
  ): AgentDeployment {
    return new AgentDeployment(scene, server, options)
  }

  get daemon(): Daemon {
    if (!this.#daemon) throw new Error('the agent was not started')
    return this.#daemon
  }

  get address(): string {
    return `unix://${this.socket}`
  }

  /** Starts the agent (again), perhaps as another program, and waits until it serves the Workload API. */
  async restart(args: readonly string[] = [], program?: Program): Promise<void> {
    const daemon = this.begin(args, program)
    await daemon.waitFor('Starting agent APIs', { timeoutMs: 60_000 })
    await untilHealthy(program ?? this.#options.program ?? ours.agent, this.socket, daemon)
  }

  /** Starts the agent (again), whatever comes of it. */
  begin(args: readonly string[] = [], program?: Program): Daemon {
    const chosen = program ?? this.#options.program ?? ours.agent
    const options = this.#options.env ? { env: this.#options.env } : {}
    this.#daemon = this.scene.start(chosen, ['run', '-config', this.config, ...args], options)
    return this.#daemon
  }

  /** Runs a command against this agent's public socket. */
  cli(...args: readonly string[]): Finished {
    return runProgram(this.#options.cli ?? ours.agent, [...args, '-socketPath', this.socket])
  }

  #configuration(server: ServerDeployment): string {
    const { settings = '', plugins, morePlugins = '', blocks = '' } = this.#options
    const usual = `
    NodeAttestor "join_token" { plugin_data {} }
    KeyManager "disk" { plugin_data { directory = "${this.folder}" } }
    WorkloadAttestor "unix" { plugin_data { discover_workload_path = true } }
    ${morePlugins}`
    return `agent {
    data_dir          = "${this.folder}"
    trust_domain      = "${server.trustDomain}"
    server_address    = "127.0.0.1"
    server_port       = ${server.port}
    socket_path       = "${this.socket}"
    admin_socket_path = "${this.adminSocket}"
    trust_bundle_path = "${server.writeBundle()}"
    log_level         = "${this.#options.logLevel ?? 'DEBUG'}"
    ${settings}
}
plugins {${plugins ?? usual}
}
${blocks}
`
  }
}

/** Asks for the health of a daemon until it is good; each question is a process, which paces the loop. */
async function untilHealthy(program: Program, socket: string, daemon: Daemon): Promise<void> {
  for (let tries = 0; tries < 100; tries++) {
    if (runProgram(program, ['healthcheck', '-socketPath', socket]).status === 0) return
    if (daemon.hasEnded) break
  }
  throw new Error(`not healthy: ${daemon.lastWords}`)
}
