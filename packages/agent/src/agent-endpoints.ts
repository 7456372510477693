import { randomBytes } from 'node:crypto'
import type { Clock } from '@mini-spire/runtime/clock'
import type { CallContext } from '@mini-spire/runtime/grpc/call-context'
import { bindReflection } from '@mini-spire/runtime/grpc/reflection'
import type { ServiceBinding } from '@mini-spire/runtime/grpc/service'
import type { RootLogger } from '@mini-spire/runtime/log/log-control'
import type { Metrics } from '@mini-spire/runtime/telemetry/metrics'
import type { AgentCore } from './agent-core.ts'
import { BrokerApi } from './api/broker/service.ts'
import { Callers } from './api/callers.ts'
import { DebugApi } from './api/debug/service.ts'
import { DelegatedIdentityApi } from './api/delegatedidentity/service.ts'
import { bindHealth } from './api/health/service.ts'
import { bindLogger } from './api/logger/service.ts'
import { SdsApi } from './api/sds/service.ts'
import { WorkloadRateLimit } from './api/workload/rate-limit.ts'
import { WorkloadApi } from './api/workload/service.ts'
import type { BrokerConfig, ResolvedAgentConfig } from './config/resolved-config.ts'
import { JwtSvidFetcher } from './identity/fetch-jwt-svid.ts'
import type { WorkloadAttestor } from './plugins/workload-attestor/workload-attestor.ts'
import { isWorkloadApiServing } from './transport/agent-health.ts'
import { BrokerCallHooks } from './transport/broker-call-hooks.ts'
import { BrokerEndpoint } from './transport/broker-endpoint.ts'
import { AgentCallHooks } from './transport/call-hooks.ts'
import { Endpoints } from './transport/endpoints.ts'
import { WorkloadAttestation } from './workload-attestation/attest-workload.ts'
import { ReferenceResolver } from './workload-attestation/resolve-reference.ts'

const defaultJwtTimeoutMs = 30_000
const nonceBytes = 4

/** What the sockets are built from. */
export interface BuildEndpointsOptions {
  readonly config: ResolvedAgentConfig
  readonly core: AgentCore
  readonly workloadAttestors: readonly WorkloadAttestor[]
  readonly metrics: Metrics
  readonly hasStarted: () => boolean
  /** Aborts when the agent stops. */
  readonly signal: AbortSignal
  readonly clock: Clock
  readonly log: RootLogger
}

/** Builds the agent's sockets and everything that is served on them. */
export function buildEndpoints(options: BuildEndpointsOptions): Endpoints {
  const { config, metrics, clock } = options
  const attestation = buildAttestation(options)
  const shared: SharedOptions = {
    ...options,
    attestation,
    callers: buildCallers(options, attestation),
    jwtSvids: buildFetcher(options),
  }
  const { socketPath, adminSocketPath } = config
  const log = options.log.with({ subsystem_name: 'endpoints' })
  return new Endpoints({
    public:
      socketPath === undefined
        ? undefined
        : { socketPath, services: publicServices(shared), apiNames: apiNames(config) },
    admin:
      adminSocketPath === undefined
        ? undefined
        : { socketPath: adminSocketPath, services: adminServices(shared) },
    broker: config.experimental.broker && brokerEndpoint(shared, config.experimental.broker),
    hooks: new AgentCallHooks({ metrics, ownPid: process.pid }),
    clock,
    log,
  })
}

/** What all sockets use. */
interface SharedOptions extends BuildEndpointsOptions {
  readonly attestation: WorkloadAttestation
  readonly callers: Callers
  readonly jwtSvids: JwtSvidFetcher
}

function publicServices(options: SharedOptions): readonly ServiceBinding<CallContext>[] {
  const { config, hasStarted } = options
  const health = bindHealth(async () =>
    config.isWorkloadApiDisabled
      ? true
      : await isWorkloadApiServing({ socketPath: config.socketPath, hasStarted }),
  )
  const services = [health]
  if (!config.isWorkloadApiDisabled) services.push(workloadApi(options).bind())
  if (!config.isSdsApiDisabled) services.push(sdsApi(options).bind())
  return [...services, bindReflection(services)]
}

function buildAttestation(options: BuildEndpointsOptions): WorkloadAttestation {
  const { workloadAttestors: attestors, clock, log, metrics } = options
  return new WorkloadAttestation({
    attestors,
    clock,
    log: log.with({ subsystem_name: 'workload_attestor' }),
    ownPid: process.pid,
    metrics,
  })
}

function buildCallers(
  { config, metrics, clock }: BuildEndpointsOptions,
  attestation: WorkloadAttestation,
): Callers {
  const { rateLimit } = config.experimental
  const workload = (name: string): string => `/SpiffeWorkloadAPI/${name}`
  const sds = (name: string): string => `/envoy.service.secret.v3.SecretDiscoveryService/${name}`
  const perSecond = new Map([
    [workload('FetchX509SVID'), rateLimit.fetchX509Svid],
    [workload('FetchJWTSVID'), rateLimit.fetchJwtSvid],
    [workload('FetchX509Bundles'), rateLimit.fetchX509Bundles],
    [workload('FetchJWTBundles'), rateLimit.fetchJwtBundles],
    [sds('StreamSecrets'), rateLimit.streamSecrets],
    [sds('FetchSecrets'), rateLimit.fetchSecrets],
  ])
  return new Callers({
    attestation,
    rateLimit: new WorkloadRateLimit({
      perSecond,
      clock,
      onExceeded: (name) =>
        metrics.count(['workload_api', 'rate_limit_exceeded'], 1, { method: name }),
    }),
    logSelectors: config.logSelectors,
    ownPid: process.pid,
  })
}

function buildFetcher(options: BuildEndpointsOptions): JwtSvidFetcher {
  const { config, core, clock, metrics, signal } = options
  const { jwtSvidCacheHitTimeoutMs } = config.experimental
  return new JwtSvidFetcher({
    server: core.server,
    svids: core.jwtSvids,
    rotation: core.rotation,
    cacheHitTimeoutMs: jwtSvidCacheHitTimeoutMs ?? defaultJwtTimeoutMs,
    signal,
    clock,
    log: core.log,
    metrics,
  })
}

function workloadApi({ config, core, callers, jwtSvids, clock }: SharedOptions): WorkloadApi {
  return new WorkloadApi({
    callers,
    cache: core.cache,
    jwtSvids,
    requestSvids: () => core.renewer.request(),
    trustDomain: config.trustDomain,
    allowsUnauthenticatedVerifiers: config.allowsUnauthenticatedVerifiers,
    allowedForeignJwtClaims: config.allowedForeignJwtClaims,
    clock,
  })
}

function sdsApi({ config, core, callers }: SharedOptions): SdsApi {
  const { sds } = config
  return new SdsApi({
    callers,
    cache: core.cache,
    requestSvids: () => core.renewer.request(),
    names: {
      svid: sds.defaultSvidName,
      bundle: sds.defaultBundleName,
      allBundles: sds.defaultAllBundlesName,
    },
    isSpiffeValidationDisabled: sds.isSpiffeCertValidationDisabled,
    nonce: () => randomBytes(nonceBytes).toString('hex'),
  })
}

function adminServices(options: SharedOptions): readonly ServiceBinding<CallContext>[] {
  const { config, core, callers, jwtSvids, metrics, clock, log } = options
  const { identity, cache, synchronizer } = core
  const lastSync = (): Date | undefined => synchronizer.lastSuccess
  const debug = new DebugApi({ identity, cache, jwtSvids: core.jwtSvids, lastSync, clock })
  const delegated = new DelegatedIdentityApi({
    callers,
    cache,
    jwtSvids,
    requestSvids: () => core.renewer.request(),
    authorizedDelegates: config.authorizedDelegates,
    metrics,
    clock,
  })
  return [debug.bind(), bindLogger(log), delegated.bind()]
}

function brokerEndpoint(options: SharedOptions, broker: BrokerConfig): BrokerEndpoint {
  const { config, core, attestation, jwtSvids, metrics, clock, log } = options
  const { cache, identity } = core
  const api = new BrokerApi({
    references: new ReferenceResolver({ attestation, clock, log }),
    brokers: broker.brokers,
    cache,
    jwtSvids,
    requestSvids: () => core.renewer.request(),
    metrics,
    clock,
  })
  return new BrokerEndpoint({
    config: broker,
    service: api.bind(),
    hooks: new BrokerCallHooks(new AgentCallHooks({ metrics, ownPid: process.pid })),
    identity,
    cache,
    requiresPqKem: config.experimental.requiresPqKem,
    clock,
    log,
  })
}

function apiNames({ isWorkloadApiDisabled, isSdsApiDisabled }: ResolvedAgentConfig): string {
  if (isWorkloadApiDisabled) return 'SDS API'
  return isSdsApiDisabled ? 'Workload API' : 'Workload and SDS APIs'
}
