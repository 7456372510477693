import type { Clock } from '@mini-spire/runtime/clock'
import type { CallContext } from '@mini-spire/runtime/grpc/call-context'
import type { ServiceBinding } from '@mini-spire/runtime/grpc/service'
import type { RootLogger } from '@mini-spire/runtime/log/log-control'
import type { Metrics } from '@mini-spire/runtime/telemetry/metrics'
import type { AgentCore } from './agent-core.ts'
import { DebugApi } from './api/debug/service.ts'
import { bindHealth } from './api/health/service.ts'
import { bindLogger } from './api/logger/service.ts'
import { WorkloadRateLimit } from './api/workload/rate-limit.ts'
import { WorkloadApi } from './api/workload/service.ts'
import type { ResolvedAgentConfig } from './config/resolved-config.ts'
import { JwtSvidFetcher } from './identity/fetch-jwt-svid.ts'
import type { WorkloadAttestor } from './plugins/workload-attestor/workload-attestor.ts'
import { isWorkloadApiServing } from './transport/agent-health.ts'
import { AgentCallHooks } from './transport/call-hooks.ts'
import { Endpoints } from './transport/endpoints.ts'
import { WorkloadAttestation } from './workload-attestation/attest-workload.ts'

const defaultJwtTimeoutMs = 30_000

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
  const { config, core, metrics, clock } = options
  const { socketPath, adminSocketPath } = config
  const log = options.log.with({ subsystem_name: 'endpoints' })
  return new Endpoints({
    public:
      socketPath === undefined
        ? undefined
        : { socketPath, services: publicServices(options), apiNames: apiNames(config) },
    admin:
      adminSocketPath === undefined
        ? undefined
        : { socketPath: adminSocketPath, services: adminServices(core, options) },
    hooks: new AgentCallHooks({ metrics, ownPid: process.pid }),
    clock,
    log,
  })
}

function publicServices(options: BuildEndpointsOptions): readonly ServiceBinding<CallContext>[] {
  const { config, hasStarted } = options
  const health = bindHealth(async () =>
    config.isWorkloadApiDisabled
      ? true
      : await isWorkloadApiServing({ socketPath: config.socketPath, hasStarted }),
  )
  return config.isWorkloadApiDisabled ? [health] : [workloadApi(options).bind(), health]
}

function workloadApi({
  config,
  core,
  clock,
  metrics,
  ...options
}: BuildEndpointsOptions): WorkloadApi {
  const { rateLimit, jwtSvidCacheHitTimeoutMs } = config.experimental
  const method = (name: string): string => `/SpiffeWorkloadAPI/${name}`
  const perSecond = new Map([
    [method('FetchX509SVID'), rateLimit.fetchX509Svid],
    [method('FetchJWTSVID'), rateLimit.fetchJwtSvid],
    [method('FetchX509Bundles'), rateLimit.fetchX509Bundles],
    [method('FetchJWTBundles'), rateLimit.fetchJwtBundles],
  ])
  return new WorkloadApi({
    attestation: new WorkloadAttestation({
      attestors: options.workloadAttestors,
      clock,
      log: options.log.with({ subsystem_name: 'workload_attestor' }),
      ownPid: process.pid,
      metrics,
    }),
    cache: core.cache,
    jwtSvids: new JwtSvidFetcher({
      server: core.server,
      svids: core.jwtSvids,
      rotation: core.rotation,
      cacheHitTimeoutMs: jwtSvidCacheHitTimeoutMs ?? defaultJwtTimeoutMs,
      signal: options.signal,
      clock,
      log: core.log,
      metrics,
    }),
    requestSvids: () => core.renewer.request(),
    rateLimit: new WorkloadRateLimit({
      perSecond,
      clock,
      onExceeded: (name) =>
        metrics.count(['workload_api', 'rate_limit_exceeded'], 1, { method: name }),
    }),
    trustDomain: config.trustDomain,
    allowsUnauthenticatedVerifiers: config.allowsUnauthenticatedVerifiers,
    allowedForeignJwtClaims: config.allowedForeignJwtClaims,
    logSelectors: config.logSelectors,
    ownPid: process.pid,
    clock,
  })
}

function adminServices(
  { identity, cache, jwtSvids, synchronizer }: AgentCore,
  { clock, log }: BuildEndpointsOptions,
): readonly ServiceBinding<CallContext>[] {
  const lastSync = (): Date | undefined => synchronizer.lastSuccess
  const debug = new DebugApi({ identity, cache, jwtSvids, lastSync, clock })
  return [debug.bind(), bindLogger(log)]
}

function apiNames({ isWorkloadApiDisabled, isSdsApiDisabled }: ResolvedAgentConfig): string {
  if (isWorkloadApiDisabled) return 'SDS API'
  return isSdsApiDisabled ? 'Workload API' : 'Workload and SDS APIs'
}
