import { setMaxListeners } from 'node:events'
import { mkdir } from 'node:fs/promises'
import { onReconfigureSignal } from '@mini-spire/runtime/cli/signals'
import { type Clock, systemClock } from '@mini-spire/runtime/clock'
import { errorText } from '@mini-spire/runtime/grpc/status-text'
import { startHealth } from '@mini-spire/runtime/health/start-health'
import { HttpClient } from '@mini-spire/runtime/http/http-client'
import type { RootLogger } from '@mini-spire/runtime/log/log-control'
import { metricsHostService } from '@mini-spire/runtime/plugin-host/metrics-service'
import { startProfiling } from '@mini-spire/runtime/profiling/start-profiling'
import { type Metrics, noMetrics } from '@mini-spire/runtime/telemetry/metrics'
import { startMetrics } from '@mini-spire/runtime/telemetry/start-metrics'
import { version as builtVersion } from '@mini-spire/runtime/version'
import { messageOf } from '@mini-spire/sdk/errors'
import { type AgentCore, buildCore, buildIdentity, type CoreOptions } from './agent-core.ts'
import { buildEndpoints } from './agent-endpoints.ts'
import type { ResolvedAgentConfig } from './config/resolved-config.ts'
import { type EstablishOptions, establishIdentity } from './node-attestation/establish.ts'
import { type AgentPlugins, loadPlugins } from './plugins/catalog.ts'
import { FileStorage } from './storage/file-storage.ts'
import { initializeSync } from './sync/initialize.ts'
import { keepInSync } from './sync/keep-in-sync.ts'
import { SvidStorage } from './sync/store-svids.ts'
import { agentHealthCheck } from './transport/agent-health.ts'
import { measuredKeys } from './transport/agent-metrics.ts'
import type { Endpoints } from './transport/endpoints.ts'
import { randomChance, tightenUmask, weakMemoryWarning } from './transport/startup.ts'
import { metricsIdentity } from './transport/tls-identity.ts'

/** Options of {@link Agent}. */
export interface AgentOptions {
  readonly log: RootLogger
  /** @default the machine's time */
  readonly clock?: Clock
  /** A number in [0, 1), anew at each call; spreads renewals and retries. @default cryptographic chance */
  readonly chance?: () => number
  /** What the agent says it is. @default the version of this program */
  readonly version?: string
}

/**
 * A whole agent in this process.
 *
 * @example
 * await using agent = new Agent(config, { log })
 * await agent.start()   // attested, in sync, serving
 * await agent.ended     // rejects with what ended it
 */
export class Agent implements AsyncDisposable {
  readonly #config: ResolvedAgentConfig
  readonly #log: RootLogger
  readonly #clock: Clock
  readonly #chance: () => number
  readonly #version: string
  readonly #stopping = new AbortController()
  /** What has to be undone, in the order in which it was done. */
  readonly #closers: (() => Promise<unknown> | unknown)[] = []
  #metrics: Metrics = noMetrics
  #core: AgentCore | undefined
  #plugins: AgentPlugins | undefined
  #isServing = false
  #ended: Promise<void> = Promise.resolve()

  constructor(config: ResolvedAgentConfig, options: AgentOptions) {
    this.#config = config
    this.#log = options.log
    this.#clock = options.clock ?? systemClock
    this.#chance = options.chance ?? randomChance
    this.#version = options.version ?? builtVersion
    // Every call to the server listens to it; how many run at once is bounded elsewhere.
    setMaxListeners(0, this.#stopping.signal)
  }

  /** Resolves when the agent has been stopped, rejects when it ended by itself: banned, not known any more, trust lost. */
  get ended(): Promise<void> {
    return this.#ended
  }

  /**
   * Attests if it has to, fills the cache, serves. When it rejects, everything that had been started is stopped again.
   *
   * @throws whatever keeps the agent from serving
   */
  async start(): Promise<void> {
    try {
      await this.#start()
    } catch (error) {
      await this.stop()
      throw error
    }
  }

  /** Stops: streams are cut, what is on disk stays. Also ends a start that is under way. */
  async stop(): Promise<void> {
    this.#stopping.abort()
    for (const close of this.#closers.splice(0).reverse()) {
      try {
        await close()
      } catch (error) {
        this.#log.error('Failed to stop a part of the agent', { error: messageOf(error) })
      }
    }
  }

  /** Configures the plugins anew whose `plugin_data_file` has changed; failures are logged. */
  async reconfigure(): Promise<void> {
    await this.#plugins?.reconfigure()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
  }

  async #start(): Promise<void> {
    const { signal } = this.#stopping
    await mkdir(this.#config.dataDir, { recursive: true, mode: 0o755 })
    const storage = await FileStorage.open(this.#config.dataDir)
    await this.#startProfiling()
    await this.#startMetrics()
    const plugins = await this.#loadPlugins()
    await this.#startHealth()
    const parts: CoreOptions = {
      config: this.#config,
      plugins: {
        ...plugins,
        keyManager: measuredKeys(this.#metrics, plugins.keyManager, this.#clock),
      },
      storage,
      clock: this.#clock,
      log: this.#log,
      chance: this.#chance,
      metrics: this.#metrics,
    }
    const establish = buildIdentity(parts)
    const ownBundle = await establishIdentity(establish, signal)
    if (plugins.isKeyManagerInMemory && !establish.identity.current?.isReattestable)
      this.#log.warn(weakMemoryWarning)
    const roots = ownBundle.x509Authorities.map(({ certificate }) => certificate)
    await storage.update({ bundle: roots })
    const core = buildCore(parts, establish, ownBundle)
    this.#core = core
    this.#closers.push(() => core.server[Symbol.dispose]())
    await this.#synchronize(core, establish)
    await this.#serve(core, plugins.workloadAttestors)
    this.#storeSvids(core, plugins.svidStores)
    this.#ended = keepInSync(core, signal)
    this.#closers.push(() => this.#ended.catch(() => {}))
    // Whoever waits for `ended` hears of it; nobody having asked yet is no unhandled rejection.
    this.#ended.catch(() => {})
  }

  async #synchronize(core: AgentCore, establish: EstablishOptions): Promise<void> {
    const { server, synchronizer, log } = core
    const { signal } = this.#stopping
    await initializeSync(
      { ...establish, server, synchronizer, agentVersion: this.#version, log },
      signal,
    )
    // What is signed in advance is there before the first workload asks; a failure is the renewer's to repeat.
    await core.renewer.renewBatch(signal).catch((error: unknown) => {
      log.error('SVID sync failed', { error: messageOf(error) })
    })
  }

  async #serve(
    core: AgentCore,
    workloadAttestors: Parameters<typeof buildEndpoints>[0]['workloadAttestors'],
  ): Promise<void> {
    const endpoints: Endpoints = buildEndpoints({
      config: this.#config,
      core,
      workloadAttestors,
      metrics: this.#metrics,
      hasStarted: () => this.#isServing,
      signal: this.#stopping.signal,
      clock: this.#clock,
      log: this.#log,
    })
    this.#closers.push(() => endpoints.stop())
    await endpoints.start()
    this.#isServing = true
  }

  async #startProfiling(): Promise<void> {
    const { profiling: config } = this.#config
    const started = await startProfiling({
      config,
      tag: 'agent',
      clock: this.#clock,
      log: this.#log,
    })
    this.#closers.push(async () => await started[Symbol.asyncDispose]())
  }

  async #startMetrics(): Promise<void> {
    const { telemetry, trustDomain } = this.#config
    const started = await startMetrics({
      config: telemetry,
      trustDomain,
      service: 'spire_agent',
      version: this.#version,
      identity: metricsIdentity(() => this.#core),
      requiresPqKem: this.#config.experimental.requiresPqKem,
      clock: this.#clock,
      log: this.#log.with({ subsystem_name: 'telemetry' }),
    })
    this.#closers.push(async () => await started[Symbol.asyncDispose]())
    this.#metrics = started.metrics
  }

  async #loadPlugins(): Promise<CoreOptions['plugins']> {
    const { trustDomain } = this.#config
    const plugins = await loadPlugins(this.#config.plugins, {
      trustDomain,
      hostServices: [metricsHostService(this.#metrics, this.#clock)],
      chance: this.#chance,
      clock: this.#clock,
      log: this.#log.with({ subsystem_name: 'catalog' }),
      joinToken: this.#config.joinToken,
      http: new HttpClient({ environment: process.env, clock: this.#clock }),
      environment: process.env,
      ownUid: process.geteuid?.() ?? -1,
    })
    this.#closers.push(async () => await plugins[Symbol.asyncDispose]())
    this.#plugins = plugins
    return plugins
  }

  /** Keeps the SVIDs of entries with `store_svid` where their workloads fetch them. */
  #storeSvids({ cache }: AgentCore, stores: CoreOptions['plugins']['svidStores']): void {
    const storage = new SvidStorage({
      cache,
      stores,
      clock: this.#clock,
      log: this.#log.with({ subsystem_name: 'svid_store_service' }),
      metrics: this.#metrics,
    })
    const running = storage.run(this.#stopping.signal)
    this.#closers.push(() => running)
  }

  async #startHealth(): Promise<void> {
    const { healthChecks: config, socketPath } = this.#config
    if (!config.isListenerEnabled) return
    const check = agentHealthCheck({ socketPath, hasStarted: () => this.#isServing })
    const health = await startHealth({
      config,
      checks: [check],
      clock: this.#clock,
      log: this.#log.with({ subsystem_name: 'health' }),
      signal: this.#stopping.signal,
    })
    this.#closers.push(async () => {
      await health[Symbol.asyncDispose]()
      await health.running
    })
  }
}

/** Options of {@link runAgent}. */
export interface RunAgentOptions extends AgentOptions {
  /** Ends the agent when it aborts, also while it starts. */
  readonly signal: AbortSignal
}

/**
 * Runs an agent until the signal aborts or something ends it.
 *
 * @returns the exit code: 0 after a graceful stop, 1 otherwise
 */
export async function runAgent(
  config: ResolvedAgentConfig,
  options: RunAgentOptions,
): Promise<number> {
  const { log, signal, version = builtVersion } = options
  await tightenUmask(config.socketPath, log)
  log.info('Starting agent', { data_dir: config.dataDir, version })
  const agent = new Agent(config, options)
  using _ = onReconfigureSignal(() => void agent.reconfigure())
  const stop = new Promise<void>((resolve) => {
    if (signal.aborted) resolve()
    signal.addEventListener('abort', () => resolve(), { once: true })
  })
  const served = agent.start().then(() => agent.ended)
  try {
    await Promise.race([served, stop])
    await agent.stop()
    await served.catch(() => {})
  } catch (error) {
    await agent.stop()
    if (!signal.aborted) {
      log.error('Agent crashed', { error: errorText(error) })
      return 1
    }
  }
  log.info('Agent stopped gracefully')
  return 0
}
