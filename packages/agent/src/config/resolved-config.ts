import type {
  HealthChecksConfig,
  LogConfig,
  ProfilingConfig,
  TelemetryConfig,
} from '@mini-spire/runtime/config/daemon-config'
import type { PluginConfig } from '@mini-spire/runtime/config/plugin-config'
import type { SpiffeId, TrustDomain } from '@mini-spire/sdk/spiffe-id'

/** Where the first trust bundle comes from; exactly one, or insecure. */
export type BootstrapSource =
  | { readonly kind: 'insecure' }
  | { readonly kind: 'file'; readonly path: string; readonly format: 'pem' | 'spiffe' }
  | {
      readonly kind: 'url'
      readonly url: string
      readonly format: 'pem' | 'spiffe'
      /** Talk HTTP to this socket instead of HTTPS to the URL's host. */
      readonly unixSocket: string | undefined
    }
  | { readonly kind: 'workload-api'; readonly address: string }

/** Names under which SDS serves, and what it leaves out. */
export interface SdsConfig {
  readonly defaultSvidName: string
  readonly defaultBundleName: string
  readonly defaultAllBundlesName: string
  readonly isSpiffeCertValidationDisabled: boolean
}

/** Calls per second and caller of each Workload API method; 0: no limit. */
export interface WorkloadApiRateLimits {
  readonly fetchX509Svid: number
  readonly fetchJwtSvid: number
  readonly fetchX509Bundles: number
  readonly fetchJwtBundles: number
  readonly streamSecrets: number
  readonly fetchSecrets: number
}

/** The SPIFFE Broker API endpoint. */
export interface BrokerConfig {
  /** Absolute; undefined: no Unix socket. */
  readonly socketPath: string | undefined
  readonly bindAddress: { readonly host: string; readonly port: number } | undefined
  readonly brokers: readonly {
    readonly id: SpiffeId
    readonly allowedReferenceTypes: readonly {
      readonly typeUrl: string
      readonly allowOverTcp: boolean
    }[]
  }[]
}

/** The `agent.experimental` block, resolved. */
export interface AgentExperimentalConfig {
  /** Undefined: the default of 5 seconds. */
  readonly syncIntervalMs: number | undefined
  /** Undefined: the default. */
  readonly jwtSvidCacheHitTimeoutMs: number | undefined
  readonly usesSyncAuthorizedEntries: boolean
  readonly rateLimit: WorkloadApiRateLimits
  readonly broker: BrokerConfig | undefined
  readonly featureFlags: readonly string[]
  /** Speaks TLS with nobody without a post-quantum key exchange. */
  readonly requiresPqKem: boolean
}

/** An agent's configuration: file, flags and defaults merged, everything parsed and checked. */
export interface ResolvedAgentConfig {
  readonly trustDomain: TrustDomain
  readonly dataDir: string
  readonly serverAddress: string
  readonly serverPort: number
  /** Absolute; undefined: both public APIs are disabled. */
  readonly socketPath: string | undefined
  /** Absolute; undefined: no admin socket. */
  readonly adminSocketPath: string | undefined
  readonly isWorkloadApiDisabled: boolean
  readonly isSdsApiDisabled: boolean
  readonly bootstrap: BootstrapSource
  readonly rebootstrapMode: 'never' | 'auto' | 'always'
  readonly rebootstrapDelayMs: number
  /** Empty: none. Read from its file already. Never logged. */
  readonly joinToken: string
  readonly allowsUnauthenticatedVerifiers: boolean
  readonly allowedForeignJwtClaims: readonly string[]
  readonly authorizedDelegates: readonly SpiffeId[]
  /** Undefined: off. */
  readonly availabilityTargetMs: number | undefined
  readonly log: LogConfig
  /** Selector prefixes that may be logged. */
  readonly logSelectors: readonly string[]
  readonly workloadX509SvidKeyType: 'rsa-2048' | 'ec-p256' | 'ec-p384'
  readonly x509SvidCacheMaxSize: number
  readonly jwtSvidCacheMaxSize: number
  readonly sds: SdsConfig
  readonly profiling: ProfilingConfig
  readonly experimental: AgentExperimentalConfig
  /** In file order, disabled ones included. */
  readonly plugins: readonly PluginConfig[]
  readonly telemetry: TelemetryConfig
  readonly healthChecks: HealthChecksConfig
}
