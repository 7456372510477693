import { randomInt } from 'node:crypto'
import { setMaxListeners } from 'node:events'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { Clock } from '@mini-spire/runtime/clock'
import { systemClock } from '@mini-spire/runtime/clock'
import { checkPlugins } from '@mini-spire/runtime/config/check-plugins'
import { startHealth } from '@mini-spire/runtime/health/start-health'
import type { RootLogger } from '@mini-spire/runtime/log/log-control'
import { type Metrics, noMetrics } from '@mini-spire/runtime/telemetry/metrics'
import { Turns } from '@mini-spire/runtime/turns'
import type { X509BundleSource } from '@mini-spire/sdk/bundle'
import { messageOf } from '@mini-spire/sdk/errors'
import { pushEncoder } from './api/push/convert.ts'
import { AgentAttestation } from './attestation/attest-agent.ts'
import { loadPolicy } from './authorization/load-policy.ts'
import type { PolicyEngine } from './authorization/policy-engine.ts'
import { BundleAnnouncements } from './bundle/bundle-announcements.ts'
import { OwnBundle } from './bundle/own-bundle.ts'
import type { AuthorityManager } from './ca/authority-manager.ts'
import type { PublishJwtAuthority } from './ca/jwt-publisher.ts'
import { resolveDataStore } from './config/data-store.ts'
import { defaultServerConfigPath } from './config/load.ts'
import { serverPluginKinds } from './config/plugin-kinds.ts'
import type { ResolvedServerConfig } from './config/resolved-config.ts'
import type { BundleManager } from './federation/bundle-manager.ts'
import { refuseIncompleteImport } from './import/import-marker.ts'
import { refuseUnimportedDatabase } from './import/refuse-spire-database.ts'
import type { Issuer } from './issuance/issuer.ts'
import type { AttestedNode } from './model/attested-node.ts'
import { loadPlugins, type ServerPlugins } from './plugins/catalog.ts'
import { ServerHostServices } from './plugins/host-services/server-host-services.ts'
import { PushHub } from './push/push-hub.ts'
import { PendingEntries } from './registration/pending-entries.ts'
import type { RegistrationState } from './registration/registration-state.ts'
import { Registry } from './registry/registry.ts'
import { LevelStore } from './store/level/level-store.ts'
import type { AppliedChange, Position, Store } from './store/store.ts'
import { cutEvictedAgents } from './transport/agent-evictions.ts'
import { ClientCertificates } from './transport/client-certificates.ts'
import {
  countReload,
  countReplay,
  measuredBundle,
  measuredRegistry,
  measuredStore,
} from './transport/datastore-metrics.ts'
import { type EndpointAddresses, Endpoints } from './transport/endpoints.ts'
import { Outside, type OutsideOptions } from './transport/outside.ts'
import {
  type ServerAuthorities,
  type ServerAuthoritiesOptions,
  serverAuthorities,
} from './transport/server-authorities.ts'
import { type ServerHealthOptions, serverHealthChecks } from './transport/server-health.ts'
import { serverIssuer } from './transport/server-issuer.ts'
import { measuredSigner } from './transport/server-metrics.ts'
import { ServerSvidRotator } from './transport/server-svid.ts'
import { serverServices } from './transport/services.ts'
import { startObserving } from './transport/start-observing.ts'
import { checkTrustDomain } from './transport/startup-checks.ts'
import { stopParts } from './transport/stop-parts.ts'
import { TrustChanges } from './transport/trust-changes.ts'
import { runUpkeep, type UpkeepOptions } from './transport/upkeep.ts'

/** A number from 0 up to 1, anew at each call. */
function chance(): number {
  return randomInt(2 ** 32) / 2 ** 32
}

/** Options of {@link Server}. */
export interface ServerOptions {
  readonly log: RootLogger
  /** What the server calls itself in its first line and its metrics. */
  readonly version: string
  /** The configuration's file, as an operator would name it. @default where SPIRE looks for it */
  readonly configPath?: string
  /** @default the machine's time */
  readonly clock?: Clock
  /** A number from 0 up to 1, drawn once, that spreads the pruning of several servers. @default random */
  readonly spread?: number
}

/**
 * A whole server in this process: builds its parts in order, starts them, and stops them in reverse order.
 *
 * @example
 * await using server = new Server(config, { log, version })
 * const { port } = await server.start()
 */
export class Server implements AsyncDisposable {
  readonly #config: ResolvedServerConfig
  readonly #log: RootLogger
  readonly #clock: Clock
  readonly #version: string
  readonly #configPath: string
  readonly #spread: number
  readonly #registry: Registry
  readonly #push: PushHub
  readonly #trust: TrustChanges
  readonly #stopping = new AbortController()
  readonly #stops = new Turns()
  /** What has to be undone, in the order in which it was done. */
  readonly #closers: (() => Promise<unknown>)[] = []
  #position: () => Position = () => ({ epoch: '', revision: 0 })
  readonly #hostServices = new ServerHostServices()
  #plugins: ServerPlugins | undefined
  #announcements: BundleAnnouncements | undefined
  #endpoints: Endpoints | undefined
  #svid: ServerSvidRotator | undefined
  #metrics: Metrics = noMetrics

  constructor(config: ResolvedServerConfig, options: ServerOptions) {
    this.#config = config
    this.#log = options.log
    this.#clock = options.clock ?? systemClock
    this.#version = options.version
    // As many tasks as there are parts wait for it.
    setMaxListeners(0, this.#stopping.signal)
    this.#configPath = options.configPath || defaultServerConfigPath
    this.#spread = options.spread ?? chance()
    this.#registry = new Registry({ clock: this.#clock })
    this.#push = new PushHub({
      trustDomain: config.trustDomain,
      entries: this.#registry.entries,
      bundles: this.#registry.bundles,
      position: () => this.#position(),
      encoder: pushEncoder,
      clock: this.#clock,
    })
    this.#trust = new TrustChanges({
      trustDomainName: config.trustDomain.name,
      findBundle: (name) => this.#registry.bundles.find(name),
    })
  }

  /**
   * Starts to serve. When it rejects, everything that had been started is stopped again.
   *
   * @throws whatever keeps the server from serving
   */
  async start(): Promise<EndpointAddresses> {
    try {
      return await this.#start()
    } catch (error) {
      await this.stop()
      throw error
    }
  }

  /** Stops serving: calls under way get a moment, what was acknowledged is on disk. */
  async stop(): Promise<void> {
    this.#stopping.abort()
    // Whoever asks second waits for the first: a start that is given up stops too.
    await this.#stops.run(() => stopParts(this.#closers.splice(0).reverse(), this.#log))
  }

  /** Configures the plugins anew whose `plugin_data_file` has changed; failures are logged. */
  async reconfigure(): Promise<void> {
    await this.#plugins?.reconfigure()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
  }

  /** What most parts are made with. */
  get #common(): Pick<ServerAuthoritiesOptions, 'config' | 'metrics' | 'clock' | 'log'> {
    const config = this.#config
    return { config, metrics: this.#metrics, clock: this.#clock, log: this.#log }
  }

  async #start(): Promise<EndpointAddresses> {
    const { trustDomain, dataDir } = this.#config
    await mkdir(dataDir, { recursive: true, mode: 0o755 })
    checkPlugins(this.#config.plugins, serverPluginKinds)
    const certificates = this.#clientCertificates()
    await this.#startObserving(certificates)
    const plugins = await loadPlugins(this.#config.plugins, {
      trustDomain,
      clock: this.#clock,
      log: this.#log.with({ subsystem_name: 'catalog' }),
      ownRoots: () => certificates.findX509Bundle(trustDomain)?.authorities ?? [],
      hostServices: this.#hostServices.services(this.#metrics, this.#clock),
      environment: process.env,
      chance,
    })
    this.#closers.push(async () => await plugins[Symbol.asyncDispose]())
    this.#plugins = plugins
    const store = await this.#openStore()
    this.#hostServices.provideAgents((id) => this.#registry.nodes.find(id) !== undefined)
    checkTrustDomain(this.#registry, trustDomain, this.#log)
    const { bundles } = this.#registry
    const bundle = measuredBundle(this.#metrics, new OwnBundle({ trustDomain, store, bundles }))
    const made = this.#authorities(plugins, store, bundle)
    const { authorities, upstream } = made
    await authorities.start()
    const issuer = serverIssuer(made, store, this.#common)
    const svid = this.#svidRotator(issuer)
    await svid.start()
    this.#svid = svid
    this.#hostServices.provideIdentity(() => {
      const own = bundle.get()
      return own && { ...svid.current(), bundle: own }
    })
    await this.#announce(plugins, bundle)
    const pending = new PendingEntries()
    const registry = measuredRegistry(this.#metrics, this.#registry)
    const registration = { registry, store, clock: this.#clock, pending }
    const policy = await loadPolicy(this.#config.experimental.authPolicy)
    const outside = this.#outside({ store, bundle, svid, issuer, policy })
    const { exchange } = outside
    const federation = outside.federation.manager
    const addresses = await this.#listen({
      policy,
      plugins,
      store,
      bundle,
      authorities,
      issuer,
      svid,
      certificates,
      registry,
      registration,
      publishJwtAuthority: upstream?.publishJwtAuthority,
      bundleManager: federation,
    })
    await outside.listen()
    this.#run(outside.run(this.#stopping.signal))
    this.#run(authorities.run(this.#stopping.signal))
    const { signal } = this.#stopping
    if (upstream) this.#run(upstream.run(authorities, signal))
    this.#run(svid.run(signal))
    this.#keepUp({ registration, bundle, store })
    await this.#startHealth({ store, bundle, issuer, authorities, federation, exchange })
    return addresses
  }

  #keepUp(parts: Pick<UpkeepOptions, 'registration' | 'bundle' | 'store'>): void {
    const upkeep = runUpkeep({
      ...parts,
      nodePruning: this.#config.nodePruning,
      registry: this.#registry,
      spread: this.#spread,
      metrics: this.#metrics,
      clock: this.#clock,
      log: this.#log,
      signal: this.#stopping.signal,
    })
    for (const task of upkeep) this.#run(task)
  }

  #outside(
    parts: Pick<OutsideOptions, 'store' | 'bundle' | 'svid' | 'issuer' | 'policy'>,
  ): Outside {
    const outside = new Outside({
      ...this.#common,
      ...parts,
      registry: this.#registry,
      environment: process.env,
      version: this.#version,
      chance,
    })
    this.#closers.push(async () => await outside[Symbol.asyncDispose]())
    return outside
  }

  async #startObserving(bundles: X509BundleSource): Promise<void> {
    this.#metrics = await startObserving({
      ...this.#common,
      version: this.#version,
      identity: { svid: () => this.#svid?.current(), bundles },
      defer: (close) => this.#closers.push(close),
    })
  }

  async #startHealth(options: ServerHealthOptions): Promise<void> {
    const health = await startHealth({
      config: this.#config.healthChecks,
      checks: serverHealthChecks(options),
      clock: this.#clock,
      log: this.#log.with({ subsystem_name: 'health' }),
      signal: this.#stopping.signal,
    })
    this.#run(health.running)
    this.#closers.push(async () => await health[Symbol.asyncDispose]())
  }

  #clientCertificates(): ClientCertificates {
    return new ClientCertificates({
      trustDomain: this.#config.trustDomain,
      adminIds: this.#config.adminIds,
      findBundle: (name) => this.#registry.bundles.find(name),
      clock: this.#clock,
      log: this.#log.with({ subsystem_name: 'endpoints' }),
    })
  }

  async #openStore(): Promise<Store> {
    const directory = join(this.#config.dataDir, 'store')
    const dataStore = resolveDataStore(this.#config.plugins)
    await refuseIncompleteImport(this.#config.dataDir)
    if (dataStore.type === 'sqlite3') {
      this.#log.info('DataStore "sql" with sqlite3 means the embedded store', { directory })
    }
    const store = await LevelStore.create({
      directory,
      clock: this.#clock,
      log: this.#log.with({ subsystem_name: 'datastore' }),
    })
    this.#closers.push(() => store.close())
    this.#position = () => store.position()
    const onChanges = (changes: readonly AppliedChange[]): void => {
      this.#trust.around(changes, () =>
        countReload(this.#metrics, changes, () => this.#registry.apply(changes)),
      )
      this.#push.changed(changes)
      this.#announcements?.follow(changes)
      const cutter = this.#endpoints
      const findNode = (id: string): AttestedNode | undefined => this.#registry.nodes.find(id)
      if (cutter) cutEvictedAgents(changes, { cutter, clock: this.#clock, findNode })
    }
    const log = this.#log.with({ subsystem_name: 'endpoints' })
    log.info('Building in-memory entry cache')
    await countReplay(this.#metrics, () => store.open(onChanges))
    log.info('Completed building in-memory entry cache')
    if (store.position().revision === 0) {
      await refuseUnimportedDatabase(dataStore, this.#configPath)
    }
    return measuredStore(this.#metrics, store)
  }

  /** Tells plugins of the own bundle: now, which they can refuse, and from now on. */
  async #announce(plugins: ServerPlugins, bundle: OwnBundle): Promise<void> {
    const announcements = new BundleAnnouncements({
      trustDomain: this.#config.trustDomain,
      bundle: () => bundle.get(),
      notifiers: plugins.notifiers,
      publishers: plugins.bundlePublishers,
      clock: this.#clock,
      log: this.#log,
    })
    await announcements.loaded(this.#stopping.signal)
    this.#announcements = announcements
    this.#run(announcements.run(this.#stopping.signal))
  }

  #authorities(plugins: ServerPlugins, store: Store, bundle: OwnBundle): ServerAuthorities {
    const registry = this.#registry
    const made = serverAuthorities({ ...this.#common, plugins, registry, store, bundle })
    const { upstream } = made
    if (upstream) this.#closers.push(async () => await upstream[Symbol.asyncDispose]())
    return made
  }

  #svidRotator(issuer: Issuer): ServerSvidRotator {
    return new ServerSvidRotator({
      signer: measuredSigner(this.#metrics, issuer, this.#clock),
      keyType: this.#config.caKeyType,
      clock: this.#clock,
      log: this.#log.with({ subsystem_name: 'svid_rotator' }),
      onRotated: () => this.#endpoints?.updateCredentials(),
    })
  }

  async #listen(parts: {
    readonly policy: PolicyEngine
    readonly plugins: ServerPlugins
    readonly store: Store
    readonly bundle: OwnBundle
    readonly authorities: AuthorityManager
    readonly issuer: Issuer
    readonly svid: ServerSvidRotator
    readonly certificates: ClientCertificates
    readonly registry: Registry
    readonly registration: RegistrationState
    readonly publishJwtAuthority: PublishJwtAuthority | undefined
    readonly bundleManager: BundleManager
  }): Promise<EndpointAddresses> {
    const { plugins, store, bundle, issuer, svid, certificates } = parts
    const { trustDomain, socketPath, bindAddress, bindPort } = this.#config
    const attestation = new AgentAttestation({
      trustDomain,
      state: { records: parts.registry, store },
      signer: issuer,
      attestors: plugins.nodeAttestors,
      clock: this.#clock,
      agentIdAsSelector: this.#config.experimental.usesAgentSpiffeIdAsSelector,
    })
    const served = serverServices({
      config: this.#config,
      policy: parts.policy,
      registry: parts.registry,
      store,
      bundle,
      authorities: parts.authorities.local,
      issuer,
      attestation,
      registration: parts.registration,
      publishJwtAuthority: parts.publishJwtAuthority,
      bundleManager: parts.bundleManager,
      svid,
      push: this.#push,
      chance,
      metrics: this.#metrics,
      clock: this.#clock,
      log: this.#log,
    })
    const endpoints = new Endpoints({
      ...served,
      socketPath,
      bindAddress,
      bindPort,
      svid: () => svid.current(),
      proxyTrustedCidrs: this.#config.proxyProtocolTrustedCidrs,
      requiresPqKem: this.#config.experimental.requiresPqKem,
      verifyClient: certificates.verify,
      clock: this.#clock,
      log: this.#log.with({ subsystem_name: 'endpoints' }),
      apiLog: this.#log.with({ subsystem_name: 'api' }),
    })
    this.#closers.push(() => endpoints.stop())
    const addresses = await endpoints.start()
    this.#endpoints = endpoints
    this.#trust.begin({ cutter: endpoints, verifyClient: certificates.verify, svid })
    return addresses
  }

  /** Lets a task run until the server stops; stopping waits for it. */
  #run(task: Promise<void>): void {
    this.#closers.push(() => task)
    task.catch((error: unknown) => {
      this.#log.error('A task of the server has failed', { error: messageOf(error) })
    })
  }
}
