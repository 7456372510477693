import { quoteGo } from '../go-quote.ts'
import { findLogLevel } from '../log/log-level.ts'
import { osErrorText } from '../os-error.ts'
import { ConfigError } from './config-error.ts'
import type {
  HealthChecksConfig,
  LogConfig,
  ProfilingConfig,
  PrometheusTlsConfig,
  TelemetryConfig,
} from './daemon-config.ts'
import type {
  healthChecksSchema,
  logSchema,
  profilingSchema,
  telemetrySchema,
} from './daemon-schema.ts'
import { parseGoDuration } from './go-duration.ts'
import type { Decoded, unknownKeys } from './schema.ts'

/** A wrong value, in SPIRE's words. */
export function invalid(message: string): ConfigError {
  return new ConfigError('ERR_CONFIG_VALUE', message)
}

/**
 * Milliseconds of a duration in Go's syntax.
 *
 * @throws {ConfigError} the prefix, and what is wrong with the duration
 */
export function durationMs(text: string, prefix: string): number {
  const parsed = parseGoDuration(text)
  if ('problem' in parsed) throw invalid(prefix + parsed.problem)
  return parsed.ms
}

/** As {@link durationMs}; an empty text is undefined. */
export function optionalDurationMs(text: string, prefix: string): number | undefined {
  return text === '' ? undefined : durationMs(text, prefix)
}

/**
 * The log keys, checked.
 *
 * @throws {ConfigError} `could not start logger: …`
 */
export function resolveLog(keys: Omit<Decoded<typeof logSchema>, typeof unknownKeys>): LogConfig {
  const level = findLogLevel(keys.log_level)
  if (!level) {
    throw invalid(`could not start logger: not a valid logrus Level: ${quoteGo(keys.log_level)}`)
  }
  const format = formatOf(keys.log_format)
  const file = keys.log_file === '' ? undefined : keys.log_file
  return { file, level, format, hasSourceLocation: keys.log_source_location }
}

/**
 * Opens the log with the function given.
 *
 * @throws {ConfigError} in Go's words when its file cannot be opened
 */
export function openConfiguredLog<T>(config: LogConfig, open: (config: LogConfig) => T): T {
  try {
    return open(config)
  } catch (error) {
    throw invalid(osErrorText('open', config.file ?? '', error))
  }
}

function formatOf(text: string): LogConfig['format'] {
  switch (text.toUpperCase()) {
    case '':
      return 'plain'
    case 'TEXT':
      return 'text'
    case 'JSON':
      return 'json'
    default:
      throw invalid(`could not start logger: unknown logger format: ${quoteGo(text)}`)
  }
}

/** The `profiling_*` keys. */
export function resolveProfiling(
  keys: Omit<Decoded<typeof profilingSchema>, typeof unknownKeys>,
): ProfilingConfig {
  return {
    isEnabled: keys.profiling_enabled,
    port: keys.profiling_port,
    frequency: keys.profiling_freq,
    names: keys.profiling_names,
  }
}

/** The `telemetry` block with its defaults. */
export function resolveTelemetry(keys: Decoded<typeof telemetrySchema>): TelemetryConfig {
  const { Prometheus: prometheus } = keys
  return {
    prometheus: prometheus && {
      host: prometheus.host || 'localhost',
      port: prometheus.port,
      tls: prometheus.tls && resolvePrometheusTls(prometheus.tls),
    },
    dogStatsdAddresses: keys.DogStatsd.map((sink) => sink.address),
    statsdAddresses: keys.Statsd.map((sink) => sink.address),
    m3: keys.M3.map(({ address, env }) => ({ address, env })),
    isInMemEnabled: keys.InMem !== undefined,
    metricPrefix: keys.MetricPrefix,
    hasTrustDomainLabel: keys.EnableTrustDomainLabel ?? false,
    hasHostnameLabel: keys.EnableHostnameLabel ?? true,
    allowedPrefixes: keys.AllowedPrefixes,
    blockedPrefixes: keys.BlockedPrefixes,
    allowedLabels: keys.AllowedLabels,
    blockedLabels: keys.BlockedLabels,
  }
}

type TlsKeys = NonNullable<NonNullable<Decoded<typeof telemetrySchema>['Prometheus']>['tls']>

function resolvePrometheusTls(keys: TlsKeys): PrometheusTlsConfig {
  return {
    certFile: keys.cert_file,
    keyFile: keys.key_file,
    clientCaFile: keys.client_ca_file,
    useSpireSvid: keys.use_spire_svid,
    authorizedSpiffeIds: keys.authorized_spiffe_ids,
  }
}

/** The `health_checks` block with its defaults. */
export function resolveHealthChecks(keys: Decoded<typeof healthChecksSchema>): HealthChecksConfig {
  return {
    isListenerEnabled: keys.listener_enabled,
    bindAddress: (keys.bind_address || 'localhost').replace(/^[[\]]+|[[\]]+$/g, ''),
    bindPort: keys.bind_port || '80',
    livePath: keys.live_path || '/live',
    readyPath: keys.ready_path || '/ready',
  }
}

/**
 * The feature flags of a configuration.
 *
 * @throws {ConfigError} for a flag that SPIRE does not know either
 */
export function checkFeatureFlags(flags: readonly string[]): readonly string[] {
  const unknown = flags.filter((flag) => flag !== 'wit-svid' && flag !== 'i_am_a_test_flag')
  if (unknown.length > 0) {
    const list = [...unknown].sort().join(' ')
    throw invalid(`error loading feature flags: unknown feature flag(s): [${list}]`)
  }
  return flags
}
