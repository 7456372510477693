import type { Clock } from '@mini-spire/runtime/clock'
import { type GrpcChannel, openSvidChannel } from '@mini-spire/runtime/grpc/client'
import { HttpClient } from '@mini-spire/runtime/http/http-client'
import type { Logger } from '@mini-spire/runtime/log/logger'
import type { Metrics } from '@mini-spire/runtime/telemetry/metrics'
import { SpiffeBundle } from '@mini-spire/sdk/bundle'
import { WorkloadApiClient } from '@mini-spire/sdk/workload-api'
import { JwtSvids } from './cache/jwt-svids.ts'
import { WorkloadCache } from './cache/workload-cache.ts'
import type { ResolvedAgentConfig } from './config/resolved-config.ts'
import { RotationRule } from './model/rotation.ts'
import type { TrustBundle } from './model/trust-bundle.ts'
import { AgentIdentity } from './node-attestation/agent-identity.ts'
import { type BootstrapTrust, loadBootstrapTrust } from './node-attestation/bootstrap.ts'
import { BootstrapState } from './node-attestation/bootstrap-state.ts'
import type { EstablishOptions } from './node-attestation/establish.ts'
import { Rebootstrap } from './node-attestation/rebootstrap.ts'
import type { AgentPlugins } from './plugins/catalog.ts'
import { AttestationClient } from './server-api/attestation-client.ts'
import { ServerClient } from './server-api/server-client.ts'
import { verifyServerChain } from './server-api/server-identity.ts'
import { openServerLink, type ServerLink } from './server-api/server-link.ts'
import type { AgentStorage } from './storage/agent-state.ts'
import type { SyncParts } from './sync/keep-in-sync.ts'
import { EntryPuller } from './sync/pull-entries.ts'
import { X509SvidRenewer } from './sync/renew-svids.ts'
import { AgentSvidRotator } from './sync/rotate-agent-svid.ts'
import { defaultSyncIntervalMs, Synchronizer } from './sync/synchronizer.ts'
import { TaintReaction } from './sync/taints.ts'
import { createDownload } from './transport/download.ts'
import { ownTlsSvid } from './transport/tls-identity.ts'

/** What the parts of an agent are built from. */
export interface CoreOptions {
  readonly config: ResolvedAgentConfig
  readonly plugins: AgentPlugins
  readonly storage: AgentStorage
  readonly clock: Clock
  readonly log: Logger
  readonly chance: () => number
  readonly metrics: Metrics
}

/** What finds or gets the agent its own identity. */
export function buildIdentity(options: CoreOptions): EstablishOptions {
  const { config, plugins, storage, clock, log, chance, metrics } = options
  const { trustDomain } = config
  const attestLog = log.with({ subsystem_name: 'attestor' })
  const state = new BootstrapState({ storage, clock, log, metrics })
  const identity = new AgentIdentity({
    keys: plugins.keyManager,
    storage,
    attestor: plugins.nodeAttestor,
    connect: (trust) => new AttestationClient(openAnonymous({ ...options, log: attestLog }, trust)),
    clock,
    log: attestLog,
    metrics,
  })
  const rebootstrap = new Rebootstrap({
    mode: config.rebootstrapMode,
    delayMs: config.rebootstrapDelayMs,
    storage,
    state,
    clock,
    log,
  })
  const http = new HttpClient({ environment: process.env, clock })
  const loadTrust = (signal: AbortSignal): Promise<BootstrapTrust> =>
    loadTrustFor(config, { state, http, signal })
  return {
    identity,
    storage,
    state,
    rebootstrap,
    trustDomain,
    loadTrust,
    clock,
    log: attestLog,
    agentLog: log,
    chance,
  }
}

function loadTrustFor(
  config: ResolvedAgentConfig,
  use: { readonly state: BootstrapState; readonly http: HttpClient; readonly signal: AbortSignal },
): Promise<BootstrapTrust> {
  const { trustDomain } = config
  return loadBootstrapTrust({
    source: config.bootstrap,
    state: use.state,
    signal: use.signal,
    trustDomain,
    server: { address: config.serverAddress, port: config.serverPort },
    access: {
      download: createDownload(use.http),
      fetchRoots: (address, signal) => fetchRoots(address, config, signal),
      parseSpiffeBundle: (text) =>
        SpiffeBundle.parse(trustDomain, text, {
          unknownEntries: 'refuse',
        }).x509.authorities.map(({ raw }) => raw),
    },
  })
}

const fetchTimeoutMs = 60_000

async function fetchRoots(
  address: string,
  { trustDomain }: ResolvedAgentConfig,
  signal: AbortSignal,
): Promise<readonly Uint8Array[]> {
  using client = new WorkloadApiClient({ address })
  const bundles = await client.fetchX509Bundles({
    signal: AbortSignal.any([signal, AbortSignal.timeout(fetchTimeoutMs)]),
  })
  const bundle = bundles.findX509Bundle(trustDomain)
  if (!bundle) {
    throw new Error(
      `SPIFFE Workload API ${address} did not provide a trust bundle for trust domain "${trustDomain.name}"`,
    )
  }
  return bundle.authorities.map(({ raw }) => raw)
}

function openAnonymous({ config, clock, log }: CoreOptions, trust: BootstrapTrust): GrpcChannel {
  const { serverAddress: address, serverPort: port, trustDomain } = config
  const { requiresPqKem } = config.experimental
  return openSvidChannel({
    address,
    port,
    requiresPqKem,
    svid: () => undefined,
    verifyServer: (chain) => {
      if (trust.kind === 'insecure')
        log.warn('Insecure bootstrap enabled; skipping server certificate verification')
      const roots = trust.kind === 'roots' ? trust.roots : undefined
      verifyServerChain(chain, { trustDomain, roots, now: clock.now() })
    },
  })
}

/** What serves workloads and keeps itself up to date. */
export interface AgentCore extends SyncParts {
  readonly cache: WorkloadCache
  readonly jwtSvids: JwtSvids
  readonly rotation: RotationRule
  readonly server: ServerClient
}

/** Builds the cache and what fills it, beginning with a bundle that the server was checked with. */
export function buildCore(
  options: CoreOptions,
  { identity, state, rebootstrap }: EstablishOptions,
  ownBundle: TrustBundle,
): AgentCore {
  const { config, storage, clock, chance, metrics } = options
  const log = options.log.with({ subsystem_name: 'manager' })
  const cache = new WorkloadCache({
    ownBundle,
    maxX509Svids: config.x509SvidCacheMaxSize || 1000,
    clock,
  })
  const jwtSvids = new JwtSvids({ maxSize: config.jwtSvidCacheMaxSize || 1000 })
  const rotation = new RotationRule({ availabilityTargetMs: config.availabilityTargetMs, chance })
  const server = new ServerClient({ open: () => openMutual(options, identity, cache), log })
  identity.onChange(() => server.release())
  const keyType = config.workloadX509SvidKeyType
  const renewer = new X509SvidRenewer({
    server,
    cache,
    rotation,
    keyType,
    clock,
    log,
    chance,
    metrics,
  })
  const requestSvids = (): void => renewer.request()
  const taints = new TaintReaction({ cache, jwtSvids, requestSvids, clock, log, metrics })
  const usesSync = config.experimental.usesSyncAuthorizedEntries
  const synchronizer = new Synchronizer({
    puller: new EntryPuller({ server, usesSync }),
    server,
    cache,
    renewer,
    rotation,
    taints,
    storage,
    bootstrap: state,
    rebootstrap,
    intervalMs: config.experimental.syncIntervalMs ?? defaultSyncIntervalMs,
    clock,
    log,
    chance,
    metrics,
  })
  const rotator = new AgentSvidRotator({
    identity,
    server,
    cache,
    rotation,
    taints,
    clock,
    log,
    chance,
    metrics,
  })
  return { cache, jwtSvids, rotation, server, synchronizer, renewer, rotator, identity, log }
}

function openMutual(
  { config, clock }: CoreOptions,
  identity: AgentIdentity,
  cache: WorkloadCache,
): ServerLink {
  const { serverAddress: address, serverPort: port, trustDomain } = config
  const { requiresPqKem } = config.experimental
  return openServerLink({
    ...{ address, port, trustDomain, requiresPqKem, clock },
    svid: () => ownTlsSvid(identity),
    roots: () => cache.bundles.own.x509Authorities.map(({ certificate }) => certificate),
  })
}
