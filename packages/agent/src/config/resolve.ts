import { readFileSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import type { LogConfig } from '@mini-spire/runtime/config/daemon-config'
import { formatGoDuration, parseGoDuration } from '@mini-spire/runtime/config/go-duration'
import { readPlugins } from '@mini-spire/runtime/config/read-plugins'
import {
  checkFeatureFlags,
  durationMs,
  invalid,
  openConfiguredLog,
  optionalDurationMs,
  resolveHealthChecks,
  resolveLog,
  resolveProfiling,
  resolveTelemetry,
} from '@mini-spire/runtime/config/resolve-daemon'
import { quoteGo } from '@mini-spire/runtime/go-quote'
import type { RootLogger } from '@mini-spire/runtime/log/log-control'
import type { Logger } from '@mini-spire/runtime/log/logger'
import { osErrorText } from '@mini-spire/runtime/os-error'
import { messageOf } from '@mini-spire/sdk/errors'
import { SpiffeId, TrustDomain } from '@mini-spire/sdk/spiffe-id'
import type { AgentFile } from './agent-file.ts'
import { resolveBootstrap } from './bootstrap.ts'
import { resolveBroker } from './broker.ts'
import { checkAgentKeys, warnAboutExperimental } from './check-keys.ts'
import type {
  BootstrapSource,
  ResolvedAgentConfig,
  WorkloadApiRateLimits,
} from './resolved-config.ts'

type AgentKeys = AgentFile['agent']

const deprecated = { alert: true, alert_type: 'deprecated_config' }
const keyTypes = ['rsa-2048', 'ec-p256', 'ec-p384'] as const

/** Options of {@link resolveAgentConfig}. */
export interface ResolveOptions {
  /** Opens the log, once its keys are known; what follows warns into it. @throws when a file cannot be opened */
  readonly openLog: (config: LogConfig) => RootLogger
  /** Makes every unknown key fatal. @default false */
  readonly isStrict?: boolean
}

/**
 * Checks and parses a merged configuration, in SPIRE's order and with its messages and warnings.
 *
 * What SPIRE accepts and this program cannot do yet is not refused here: see `refusedKeys`.
 *
 * @throws {ConfigError} for the first thing that is wrong
 */
export function resolveAgentConfig(
  file: AgentFile,
  options: ResolveOptions,
): { readonly config: ResolvedAgentConfig; readonly log: RootLogger } {
  const { agent } = file
  const featureFlags = checkFeatureFlags(agent.experimental.feature_flags)
  const bootstrap = checkRequired(file)
  const rebootstrap = resolveRebootstrap(agent)
  const syncIntervalMs = optionalDurationMs(
    agent.experimental.sync_interval,
    'could not parse synchronization interval: ',
  )
  const logConfig = resolveLog(agent)
  const log = openConfiguredLog(logConfig, options.openLog)
  const caches = resolveCaches(agent, log)
  const trustDomain = parseTrustDomain(agent.trust_domain, log)
  const sockets = resolveSockets(agent)
  const joinToken = resolveJoinToken(agent)
  const sds = resolveSds(agent, log)
  const workloadX509SvidKeyType = resolveKeyType(agent.workload_x509_svid_key_type)
  const plugins = file.plugins ? readPlugins(file.plugins) : []
  checkAgentKeys(file, log, options.isStrict ?? false)
  const authorizedDelegates = agent.authorized_delegates.map((id) =>
    resolveDelegate(id, trustDomain),
  )
  const broker = resolveBroker(agent, sockets.socketPath)
  const availabilityTargetMs = resolveAvailabilityTarget(agent.availability_target)
  const rateLimit = resolveRateLimits(agent)
  warnAboutExperimental(agent.experimental, log)
  for (const flag of featureFlags) {
    log.warn(`Developer feature flag ${quoteGo(flag)} has been enabled`)
  }
  const config: ResolvedAgentConfig = {
    trustDomain,
    dataDir: agent.data_dir,
    serverAddress: agent.server_address,
    serverPort: agent.server_port,
    ...sockets,
    isWorkloadApiDisabled: agent.disable_workload_api,
    isSdsApiDisabled: agent.disable_sds_api,
    bootstrap,
    ...rebootstrap,
    joinToken,
    allowsUnauthenticatedVerifiers: agent.allow_unauthenticated_verifiers,
    allowedForeignJwtClaims: agent.allowed_foreign_jwt_claims,
    authorizedDelegates,
    availabilityTargetMs,
    log: logConfig,
    logSelectors: agent.log_selectors,
    workloadX509SvidKeyType,
    x509SvidCacheMaxSize: agent.x509_svid_cache_max_size || 1000,
    jwtSvidCacheMaxSize: agent.jwt_svid_cache_max_size || 1000,
    sds,
    profiling: resolveProfiling(agent),
    experimental: {
      syncIntervalMs,
      ...caches,
      rateLimit,
      broker,
      featureFlags,
      requiresPqKem: agent.experimental.require_pq_kem,
    },
    plugins,
    telemetry: resolveTelemetry(file.telemetry),
    healthChecks: resolveHealthChecks(file.healthChecks),
  }
  return { config, log }
}

function checkRequired(file: AgentFile): BootstrapSource {
  const { agent } = file
  if (!file.plugins) throw invalid('plugins section must be configured')
  if (agent.join_token !== '' && agent.join_token_file !== '') {
    throw invalid('only one of join_token or join_token_file can be specified, not both')
  }
  if (agent.server_address === '') throw invalid('server_address must be configured')
  if (agent.server_port === 0) throw invalid('server_port must be configured')
  if (agent.trust_domain === '') throw invalid('trust_domain must be configured')
  const bootstrap = resolveBootstrap(agent)
  const onlyWindows = (key: string, instead: string): string =>
    `invalid configuration: ${key} is not supported in this platform; please use ${instead} instead`
  if (agent.experimental.named_pipe_name !== '') {
    throw invalid(onlyWindows('named_pipe_name', 'socket_path'))
  }
  if (agent.experimental.admin_named_pipe_name !== '') {
    throw invalid(onlyWindows('admin_named_pipe_name', 'admin_socket_path'))
  }
  return bootstrap
}

function resolveRebootstrap(
  agent: AgentKeys,
): Pick<ResolvedAgentConfig, 'rebootstrapMode' | 'rebootstrapDelayMs'> {
  const mode = agent.rebootstrap_mode || 'never'
  if (mode !== 'never' && mode !== 'auto' && mode !== 'always') {
    throw invalid(`unknown rebootstrap mode specified: ${mode}`)
  }
  if (mode !== 'never' && agent.insecure_bootstrap) {
    throw invalid('insecure_bootstrap option can not be used with rebootstrapping')
  }
  const delayMs = durationMs(
    agent.rebootstrap_delay || '10m',
    'error parsing rebootstrap delay duration: ',
  )
  return { rebootstrapMode: mode, rebootstrapDelayMs: delayMs }
}

function resolveCaches(
  agent: AgentKeys,
  log: Logger,
): { jwtSvidCacheHitTimeoutMs: number | undefined; usesSyncAuthorizedEntries: boolean } {
  const jwtSvidCacheHitTimeoutMs = resolveCacheHitTimeout(
    agent.experimental.jwt_svid_cache_hit_timeout,
    log,
  )
  const usesSync = agent.experimental.use_sync_authorized_entries
  if (usesSync !== undefined) {
    log.warn(
      "The 'use_sync_authorized_entries' configuration is deprecated. The option to disable it will be removed in SPIRE 1.13.",
      deprecated,
    )
  }
  for (const key of ['x509_svid_cache_max_size', 'jwt_svid_cache_max_size'] as const) {
    if (agent[key] < 0) throw invalid(`${key} should not be negative`)
  }
  return { jwtSvidCacheHitTimeoutMs, usesSyncAuthorizedEntries: usesSync ?? true }
}

function resolveCacheHitTimeout(text: string, log: Logger): number | undefined {
  if (text === '') return undefined
  const timeoutMs = durationMs(text, 'could not parse jwt_svid_cache_hit_timeout: ')
  const parsed = parseGoDuration(text)
  const printed = 'nanoseconds' in parsed ? formatGoDuration(parsed.nanoseconds) : text
  if (timeoutMs < 5000) {
    throw invalid(`jwt_svid_cache_hit_timeout (${printed}) must be greater than 5s`)
  }
  if (timeoutMs >= 30_000) {
    throw invalid(`jwt_svid_cache_hit_timeout (${printed}) must be less than 30s`)
  }
  log.warn("The use of 'jwt_svid_cache_hit_timeout' is experimental")
  return timeoutMs
}

function parseTrustDomain(text: string, log: Logger): TrustDomain {
  try {
    const trustDomain = TrustDomain.parse(text)
    if (trustDomain.name.length > 255) {
      log.warn(
        'Configured trust domain name should be less than 255 characters to be SPIFFE compliant; a longer trust domain name may impact interoperability',
        { trust_domain: trustDomain.name },
      )
    }
    return trustDomain
  } catch (error) {
    throw invalid(`could not parse trust_domain ${quoteGo(text)}: ${messageOf(error)}`)
  }
}

function resolveSockets(
  agent: AgentKeys,
): Pick<ResolvedAgentConfig, 'socketPath' | 'adminSocketPath'> {
  const hasPublicSocket = !agent.disable_workload_api || !agent.disable_sds_api
  const socketPath = hasPublicSocket ? resolve(agent.socket_path) : undefined
  if (agent.admin_socket_path === '') return { socketPath, adminSocketPath: undefined }
  const adminSocketPath = resolve(agent.admin_socket_path)
  if (socketPath !== undefined && adminSocketPath.startsWith(`${dirname(socketPath)}/`)) {
    throw invalid(
      'admin socket cannot be in the same directory or a subdirectory as that containing the Workload API socket',
    )
  }
  return { socketPath, adminSocketPath }
}

function resolveJoinToken(agent: AgentKeys): string {
  const path = agent.join_token_file
  if (path === '') return agent.join_token
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (error) {
    throw invalid(
      `unable to read join token file ${quoteGo(path)}: ${osErrorText('open', path, error)}`,
    )
  }
  if (text.trim() === '') throw invalid('join token file is empty')
  return text.trim()
}

function resolveSds(agent: AgentKeys, log: Logger): ResolvedAgentConfig['sds'] {
  const { sds } = agent
  if (sds.default_all_bundles_name === sds.default_bundle_name) {
    log.warn(
      'The "default_bundle_name" and "default_all_bundles_name" configurables have the same value. "default_all_bundles_name" will be ignored. Please configure distinct values or use the defaults. This will be a configuration error in a future release.',
    )
  }
  return {
    defaultSvidName: sds.default_svid_name,
    defaultBundleName: sds.default_bundle_name,
    defaultAllBundlesName: sds.default_all_bundles_name,
    isSpiffeCertValidationDisabled: sds.disable_spiffe_cert_validation,
  }
}

function resolveKeyType(text: string): ResolvedAgentConfig['workloadX509SvidKeyType'] {
  if (text === '') return 'ec-p256'
  const found = keyTypes.find((type) => type === text.toLowerCase())
  if (found) return found
  throw invalid(`key type ${quoteGo(text)} is unknown; must be one of [${keyTypes.join(', ')}]`)
}

function resolveDelegate(text: string, trustDomain: TrustDomain): SpiffeId {
  const failed = 'error validating authorized delegate: '
  let id: SpiffeId
  try {
    id = SpiffeId.parse(text)
  } catch (error) {
    throw invalid(failed + messageOf(error))
  }
  if (!id.isMemberOf(trustDomain)) {
    throw invalid(
      `${failed}SPIFFE ID ${quoteGo(text)} is not a member of trust domain ${quoteGo(trustDomain.name)}`,
    )
  }
  return id
}

function resolveAvailabilityTarget(text: string): number | undefined {
  const targetMs = optionalDurationMs(text, 'unable to parse availability_target: ')
  if (targetMs !== undefined && targetMs < 86_400_000) {
    throw invalid('availability_target must be at least 24h0m0s')
  }
  return targetMs
}

function resolveRateLimits(agent: AgentKeys): WorkloadApiRateLimits {
  const keys = agent.experimental.ratelimit
  const checked = (name: Exclude<keyof typeof keys, symbol>): number => {
    const limit = keys[name] ?? 0
    if (limit < 0) throw invalid(`experimental.ratelimit.${name} must not be negative`)
    return limit
  }
  return {
    fetchX509Svid: checked('fetch_x509_svid'),
    fetchJwtSvid: checked('fetch_jwt_svid'),
    fetchX509Bundles: checked('fetch_x509_bundles'),
    fetchJwtBundles: checked('fetch_jwt_bundles'),
    streamSecrets: checked('stream_secrets'),
    fetchSecrets: checked('fetch_secrets'),
  }
}
