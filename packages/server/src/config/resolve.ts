import { resolve } from 'node:path'
import type { LogConfig } from '@mini-spire/runtime/config/daemon-config'
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
import { type KeyType, keyTypes } from '@mini-spire/runtime/key-manager/key-manager'
import type { RootLogger } from '@mini-spire/runtime/log/log-control'
import type { Logger } from '@mini-spire/runtime/log/logger'
import { messageOf } from '@mini-spire/sdk/errors'
import { SpiffeId, TrustDomain } from '@mini-spire/sdk/spiffe-id'
import { resolveAuthPolicy } from './auth-policy.ts'
import { resolveBindAddress } from './bind-address.ts'
import { checkServerKeys, warnAboutExperimental } from './check-keys.ts'
import { checkFederation, resolveFederation } from './federation.ts'
import { resolveOidcDiscovery } from './oidc-discovery.ts'
import type {
  CaSubject,
  NodePruningConfig,
  ResolvedServerConfig,
  ServerExperimentalConfig,
} from './resolved-config.ts'
import type { ServerFile } from './server-file.ts'
import { resolveTokenExchange } from './token-exchange.ts'
import { warnAboutTtls } from './ttl-warnings.ts'

type ServerKeys = ServerFile['server']

/** Options of {@link resolveServerConfig}. */
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
export async function resolveServerConfig(
  file: ServerFile,
  options: ResolveOptions,
): Promise<{ readonly config: ResolvedServerConfig; readonly log: RootLogger }> {
  const { server } = file
  const featureFlags = checkFeatureFlags(server.experimental.feature_flags)
  checkRequired(file)
  const logConfig = resolveLog(server)
  const log = openConfiguredLog(logConfig, options.openLog)
  const bindAddress = await resolveBindAddress(server.bind_address, server.bind_port)
  const trustDomain = parseTrustDomain(server.trust_domain, log)
  const federation = resolveFederation(server, trustDomain, log)
  const oidcDiscovery = resolveOidcDiscovery(server)
  const timing = resolveTiming(server, log)
  const keys = resolveKeyTypes(server)
  const caSubject = resolveCaSubject(server, log)
  const plugins = file.plugins ? readPlugins(file.plugins) : []
  const nodePruning = resolvePruning(server)
  if (server.disable_jwt_svids) log.info('JWT-SVID profile is disabled')
  checkServerKeys(file, log, options.isStrict ?? false)
  warnAboutExperimental(server.experimental, log)
  const tokenExchange = resolveTokenExchange(server, trustDomain, log)
  const experimental = resolveExperimental(server, featureFlags, log)
  const config: ResolvedServerConfig = {
    trustDomain,
    dataDir: server.data_dir,
    bindAddress,
    bindPort: server.bind_port,
    socketPath: resolve(server.socket_path || '/tmp/spire-server/private/api.sock'),
    isAuditLogEnabled: server.audit_log_enabled,
    ...timing,
    ...keys,
    caSubject,
    areJwtSvidsDisabled: server.disable_jwt_svids,
    jwtIssuer: server.jwt_issuer,
    witIssuer: server.experimental.wit_issuer,
    log: logConfig,
    proxyProtocolTrustedCidrs: server.proxy_protocol_trusted_cidrs,
    nodePruning,
    rateLimit: {
      attestation: server.ratelimit.attestation ?? true,
      signing: server.ratelimit.signing ?? true,
    },
    federation,
    oidcDiscovery,
    tokenExchange,
    experimental,
    profiling: resolveProfiling(server),
    plugins,
    telemetry: resolveTelemetry(file.telemetry),
    healthChecks: resolveHealthChecks(file.healthChecks),
  }
  return { config, log }
}

function checkRequired(file: ServerFile): void {
  const { server } = file
  if (server.trust_domain === '') throw invalid('trust_domain must be configured')
  if (server.data_dir === '') throw invalid('data_dir must be configured')
  if (!file.plugins) throw invalid('plugins section must be configured')
  checkFederation(server)
  const { event_timeout, sql_transaction_timeout, named_pipe_name } = server.experimental
  if (event_timeout !== '' && sql_transaction_timeout !== '') {
    throw invalid(
      'both experimental sql_transaction_timeout and event_timeout set, only set event_timeout',
    )
  }
  for (const cidr of server.proxy_protocol_trusted_cidrs) checkCidr(cidr)
  if (named_pipe_name !== '') {
    throw invalid(
      'invalid configuration: named_pipe_name is not supported in this platform; please use socket_path instead',
    )
  }
}

function checkCidr(cidr: string): void {
  const [, address = '', bits = ''] = /^([^/%]*)\/(0|[1-9]\d{0,2})$/.exec(cidr) ?? []
  const isV4 = /^(\d{1,3}\.){3}\d{1,3}$/.test(address)
  const isGood = URL.canParse(`http://${isV4 ? address : `[${address}]`}/`)
  if (!isGood || bits === '' || Number(bits) > (isV4 ? 32 : 128)) {
    throw invalid(
      `invalid proxy_protocol_trusted_cidrs value ${quoteGo(cidr)}: invalid CIDR address: ${cidr}`,
    )
  }
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

type Timing = Pick<
  ResolvedServerConfig,
  | 'maxAttestedNodeInfoStalenessMs'
  | 'adminIds'
  | 'agentTtlMs'
  | 'defaultX509SvidTtlMs'
  | 'defaultJwtSvidTtlMs'
  | 'caTtlMs'
>

/** Staleness, administrators and lifetimes: together because faults are found in this order. */
function resolveTiming(server: ServerKeys, log: Logger): Timing {
  const staleness = server.max_attested_node_info_staleness
  const maxAttestedNodeInfoStalenessMs =
    staleness === undefined
      ? 0
      : durationMs(staleness, `could not parse max attested node staleness ${quoteGo(staleness)}: `)
  const adminIds = server.admin_ids.map(parseAdminId)
  const ttl = (text: string, what: string): number | undefined =>
    optionalDurationMs(text, `could not parse ${what} ttl ${quoteGo(text)}: `)
  const agentTtlMs = ttl(server.agent_ttl, 'agent') || undefined
  const defaultX509SvidTtlMs = ttl(server.default_x509_svid_ttl, 'default X509 SVID') ?? 3_600_000
  const defaultJwtSvidTtlMs = ttl(server.default_jwt_svid_ttl, 'default JWT SVID') ?? 300_000
  const caTtlMs = ttl(server.ca_ttl, 'default CA') ?? 86_400_000
  warnAboutTtls({ caTtlMs, defaultX509SvidTtlMs, defaultJwtSvidTtlMs, agentTtlMs }, log)
  return {
    maxAttestedNodeInfoStalenessMs,
    adminIds,
    agentTtlMs,
    defaultX509SvidTtlMs,
    defaultJwtSvidTtlMs,
    caTtlMs,
  }
}

function parseAdminId(text: string): SpiffeId {
  try {
    return SpiffeId.parse(text)
  } catch (error) {
    throw invalid(`could not parse admin ID ${quoteGo(text)}: ${messageOf(error)}`)
  }
}

function resolveKeyTypes(
  server: ServerKeys,
): Pick<ResolvedServerConfig, 'caKeyType' | 'jwtKeyType' | 'witKeyType'> {
  const caKeyType = keyType(server.ca_key_type, 'ca_key_type') ?? 'ec-p256'
  const jwtKeyType = keyType(server.jwt_key_type, 'jwt_key_type') ?? caKeyType
  const witKeyType = keyType(server.experimental.wit_key_type, 'wit_key_type') ?? caKeyType
  const isWitEnabled = server.experimental.feature_flags.includes('wit-svid')
  return { caKeyType, jwtKeyType, witKeyType: isWitEnabled ? witKeyType : undefined }
}

function keyType(text: string, key: string): KeyType | undefined {
  if (text === '') return undefined
  const found = keyTypes.find((type) => type === text.toLowerCase())
  if (found) return found
  throw invalid(
    `error parsing ${key}: key type ${quoteGo(text)} is unknown; must be one of [${keyTypes.join(', ')}]`,
  )
}

function resolveCaSubject(server: ServerKeys, log: Logger): CaSubject {
  const keys = server.ca_subject
  const isEmpty =
    !keys ||
    (keys.country.length === 0 && keys.organization.length === 0 && keys.common_name === '')
  if (keys && !isEmpty) {
    return {
      country: keys.country,
      organization: keys.organization,
      commonName: keys.common_name,
    }
  }
  if (keys) log.warn('ca_subject configurable is set but empty; the default will be used')
  return { country: ['US'], organization: ['SPIFFE'], commonName: '' }
}

function resolvePruning(server: ServerKeys): NodePruningConfig | undefined {
  const expiredForMs = optionalDurationMs(
    server.prune_attested_nodes_expired_for,
    'could not parse prune_attested_nodes_expired_for: ',
  )
  if (!expiredForMs) return undefined
  const size = server.prune_attested_nodes_batch_size
  return {
    expiredForMs,
    batchSize: size > 0 ? size : 1000,
    includesNonReattestable: server.prune_tofu_nodes,
  }
}

function resolveExperimental(
  server: ServerKeys,
  featureFlags: readonly string[],
  log: Logger,
): ServerExperimentalConfig {
  const keys = server.experimental
  const interval = (text: string, what: string): number | undefined =>
    optionalDurationMs(text, `could not parse ${what} interval: `)
  const cacheReloadIntervalMs = interval(keys.cache_reload_interval, 'cache reload')
  const fullCacheReloadIntervalMs = interval(keys.full_cache_reload_interval, 'full cache reload')
  const pruneEventsOlderThanMs = interval(keys.prune_events_older_than, 'prune events')
  if (keys.sql_transaction_timeout !== '') {
    log.warn(
      'experimental.sql_transaction_timeout is deprecated, use experimental.event_timeout instead',
      { alert: true, alert_type: 'deprecated_config' },
    )
  }
  const oldTimeoutMs = interval(keys.sql_transaction_timeout, 'SQL transaction timeout')
  const eventTimeoutMs = interval(keys.event_timeout, 'event timeout') ?? oldTimeoutMs
  if (keys.events_based_cache) log.info('Using events based cache')
  for (const flag of featureFlags) {
    log.warn(`Developer feature flag ${quoteGo(flag)} has been enabled`)
  }
  return {
    usesAgentSpiffeIdAsSelector: keys.agent_spiffe_id_as_selector,
    cacheReloadIntervalMs,
    fullCacheReloadIntervalMs,
    usesEventsBasedCache: keys.events_based_cache,
    pruneEventsOlderThanMs,
    eventTimeoutMs,
    featureFlags,
    authPolicy: resolveAuthPolicy(keys.auth_opa_policy_engine),
    requiresPqKem: keys.require_pq_kem,
  }
}
