import type { LogLevel } from '../log/logger.ts'

/** Where and how a daemon logs. */
export interface LogConfig {
  /** Undefined: standard output. */
  readonly file: string | undefined
  readonly level: LogLevel
  /** `plain` is SPIRE's third style, in force when `log_format` is not set. */
  readonly format: 'plain' | 'text' | 'json'
  readonly hasSourceLocation: boolean
}

/** The `health_checks` block, defaults filled. */
export interface HealthChecksConfig {
  readonly isListenerEnabled: boolean
  readonly bindAddress: string
  /** A port number or service name, as text. */
  readonly bindPort: string
  readonly livePath: string
  readonly readyPath: string
}

/** TLS of the Prometheus listener. */
export interface PrometheusTlsConfig {
  readonly certFile: string
  readonly keyFile: string
  readonly clientCaFile: string
  readonly useSpireSvid: boolean
  readonly authorizedSpiffeIds: readonly string[]
}

/** The `telemetry` block, defaults filled. */
export interface TelemetryConfig {
  readonly prometheus:
    | {
        readonly host: string
        readonly port: number
        readonly tls: PrometheusTlsConfig | undefined
      }
    | undefined
  readonly dogStatsdAddresses: readonly string[]
  readonly statsdAddresses: readonly string[]
  readonly m3: readonly { readonly address: string; readonly env: string }[]
  readonly isInMemEnabled: boolean
  /** Empty: the daemon's own, `spire_server` or `spire_agent`. */
  readonly metricPrefix: string
  readonly hasTrustDomainLabel: boolean
  readonly hasHostnameLabel: boolean
  readonly allowedPrefixes: readonly string[]
  readonly blockedPrefixes: readonly string[]
  readonly allowedLabels: readonly string[]
  readonly blockedLabels: readonly string[]
}

/** The `profiling_*` keys. */
export interface ProfilingConfig {
  readonly isEnabled: boolean
  readonly port: number
  readonly frequency: number
  readonly names: readonly string[]
}
