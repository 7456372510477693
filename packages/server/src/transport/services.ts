import type { Clock } from '@mini-spire/runtime/clock'
import type { RootLogger } from '@mini-spire/runtime/log/log-control'
import { type Metrics, measureCall } from '@mini-spire/runtime/telemetry/metrics'
import { MetricKeys, rateLimitMetricKey, rpcMetricKey } from '@mini-spire/runtime/telemetry/rpc-key'
import { agentService } from '../api/agent/service.ts'
import { bundleService } from '../api/bundle/service.ts'
import { debugService } from '../api/debug/service.ts'
import { entryService } from '../api/entry/service.ts'
import { federationService } from '../api/federation/service.ts'
import { healthService } from '../api/health/service.ts'
import { localAuthorityService } from '../api/localauthority/service.ts'
import { loggerService } from '../api/logger/service.ts'
import { pushService } from '../api/push/service.ts'
import { svidService } from '../api/svid/service.ts'
import { trustDomainService } from '../api/trustdomain/service.ts'
import type { AgentAttestation } from '../attestation/attest-agent.ts'
import { authorize } from '../authorization/authorize.ts'
import type { PolicyEngine } from '../authorization/policy-engine.ts'
import { RateLimits } from '../authorization/rate-limit.ts'
import type { OwnBundle } from '../bundle/own-bundle.ts'
import type { PublishJwtAuthority } from '../ca/jwt-publisher.ts'
import type { LocalAuthorities } from '../ca/local-authorities.ts'
import type { ResolvedServerConfig } from '../config/resolved-config.ts'
import type { BundleManager } from '../federation/bundle-manager.ts'
import type { Issuer } from '../issuance/issuer.ts'
import type { PushHub } from '../push/push-hub.ts'
import type { RegistrationState } from '../registration/registration-state.ts'
import type { Registry } from '../registry/registry.ts'
import type { Store } from '../store/store.ts'
import { ServerCallHooks } from './call-hooks.ts'
import type { EndpointsOptions } from './endpoints.ts'
import { codeOf } from './server-metrics.ts'
import type { ServerSvidRotator } from './server-svid.ts'

/** The parts that services are made of. */
export interface ServicesOptions {
  readonly config: ResolvedServerConfig
  readonly policy: PolicyEngine
  readonly registry: Registry
  readonly store: Store
  readonly registration: RegistrationState
  readonly bundle: OwnBundle
  readonly authorities: LocalAuthorities
  /** Publishes downstream servers' JWT authorities. @default in the own bundle */
  readonly publishJwtAuthority?: PublishJwtAuthority | undefined
  readonly bundleManager: BundleManager
  readonly issuer: Issuer
  readonly attestation: AgentAttestation
  readonly svid: ServerSvidRotator
  readonly push: PushHub
  /** A number in [0, 1), anew at each call. */
  readonly chance: () => number
  readonly metrics: Metrics
  readonly clock: Clock
  readonly log: RootLogger
}

/** Every service of the server, on which listener it is served, and what happens around each call. */
export function serverServices(
  options: ServicesOptions,
): Pick<EndpointsOptions, 'services' | 'localServices' | 'hooks'> {
  const { config, registry, store, bundle, metrics, clock, policy } = options
  const callKeys = new MetricKeys(rpcMetricKey)
  const hooks = new ServerCallHooks({
    authorize: (call, request) =>
      authorize({ registry, store, adminIds: config.adminIds, policy }, call, request),
    count: (method, { code, durationMs }) =>
      measureCall(metrics, { key: callKeys.get(method), code, durationMs }),
    isAuditEnabled: config.isAuditLogEnabled,
  })
  const { log } = options
  log.info('Logger service configured', { launch_log_level: log.launchLevel })
  const localServices = [
    loggerService({ control: log }),
    debugService({
      registry,
      ownBundle: bundle,
      serverChain: () => options.svid.current().chain,
      clock,
    }),
    healthService({ ownBundle: bundle }),
  ]
  return { services: sharedServices(options), localServices, hooks }
}

function sharedServices(options: ServicesOptions): EndpointsOptions['services'] {
  const { config, registry, store, bundle, issuer, attestation, registration } = options
  const { bundleManager } = options
  const { trustDomain, areJwtSvidsDisabled, rateLimit } = config
  const { metrics, clock } = options
  const waitKeys = new MetricKeys(rateLimitMetricKey)
  const limits = new RateLimits({
    clock,
    isEnabled: rateLimit,
    onWaited: ({ method }, durationMs, error) =>
      measureCall(metrics, { key: waitKeys.get(method), durationMs, code: codeOf(error) }),
  })
  const limit = limits.admit.bind(limits)
  const state = { records: registry, store }
  return [
    agentService({ trustDomain, state, attestation, signer: issuer, clock, limit }),
    bundleService({
      trustDomain,
      state: { registry, store },
      ownBundle: bundle,
      limit,
      publishJwtAuthority: options.publishJwtAuthority,
    }),
    entryService({ trustDomain, state: registration }),
    svidService({
      trustDomain,
      issuer,
      authorizedEntries: (agentId) => registry.entries.authorizedFor(agentId),
      bundle: () => bundle.get(),
      areJwtSvidsDisabled,
      limit,
    }),
    pushService({
      hub: options.push,
      registry,
      position: () => store.position(),
      clock,
      chance: options.chance,
    }),
    localAuthorityService({ authorities: options.authorities }),
    trustDomainService({ trustDomain, state: { registry, store }, follower: bundleManager }),
    federationService({ health: () => bundleManager.health() }),
  ]
}
