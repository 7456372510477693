import type {
  HealthChecksConfig,
  LogConfig,
  ProfilingConfig,
  TelemetryConfig,
} from '@mini-spire/runtime/config/daemon-config'
import type { PluginConfig } from '@mini-spire/runtime/config/plugin-config'
import type { WebCertificateConfig } from '@mini-spire/runtime/https/web-certificate'
import type { KeyType } from '@mini-spire/runtime/key-manager/key-manager'
import type { SpiffeId, TrustDomain } from '@mini-spire/sdk/spiffe-id'
import type { Cidr } from '../model/cidr.ts'
import type { BundleEndpointConfig } from './bundle-endpoint-config.ts'
import type { TokenExchangeConfig } from './token-exchange-config.ts'

/** Subject of the authority's certificates; a serial number attribute is added when one is made. */
export interface CaSubject {
  readonly country: readonly string[]
  readonly organization: readonly string[]
  readonly commonName: string
}

/** Pruning of attested nodes that expired long ago. */
export interface NodePruningConfig {
  readonly expiredForMs: number
  readonly batchSize: number
  /** `prune_tofu_nodes`: also nodes that cannot attest again. */
  readonly includesNonReattestable: boolean
}

/** The `oidc_discovery` block. */
export interface OidcDiscoveryConfig {
  /** `jwt_issuer` as it is written. */
  readonly issuer: string
  /** The path of the issuer, without a slash at its end. */
  readonly pathPrefix: string
  /** The hosts that clients may ask for, that of the issuer first. */
  readonly domains: readonly string[]
  readonly setsKeyUse: boolean
  readonly listener:
    | {
        readonly kind: 'https'
        /** Undefined: every interface. */
        readonly address: string | undefined
        readonly port: number
        readonly certificate: WebCertificateConfig
      }
    | { readonly kind: 'socket'; readonly path: string }
}

/** A static federation relationship. */
export interface FederatesWithConfig {
  readonly trustDomain: TrustDomain
  readonly bundleEndpointUrl: string
  readonly profile:
    | { readonly kind: 'https_web' }
    | { readonly kind: 'https_spiffe'; readonly endpointSpiffeId: SpiffeId }
}

/** An operator's own authorization policy. */
export interface AuthPolicyConfig {
  /** `rego_path`: a compiled policy. */
  readonly policyPath: string
  /** `policy_data_path`; empty: none. */
  readonly dataPath: string
}

/** The `server.experimental` block, resolved. Undefined durations: not set. */
export interface ServerExperimentalConfig {
  readonly usesAgentSpiffeIdAsSelector: boolean
  readonly cacheReloadIntervalMs: number | undefined
  readonly fullCacheReloadIntervalMs: number | undefined
  readonly usesEventsBasedCache: boolean
  readonly pruneEventsOlderThanMs: number | undefined
  readonly eventTimeoutMs: number | undefined
  readonly featureFlags: readonly string[]
  /** Undefined: the built-in policy. */
  readonly authPolicy?: AuthPolicyConfig | undefined
  /** Speaks TLS with nobody without a post-quantum key exchange. */
  readonly requiresPqKem: boolean
}

/** A server's configuration: file, flags and defaults merged, everything parsed and checked. */
export interface ResolvedServerConfig {
  readonly trustDomain: TrustDomain
  readonly dataDir: string
  /** A literal IP address; names were resolved. */
  readonly bindAddress: string
  readonly bindPort: number
  /** Absolute. */
  readonly socketPath: string
  readonly adminIds: readonly SpiffeId[]
  /** Undefined: that of X509-SVIDs. */
  readonly agentTtlMs: number | undefined
  readonly isAuditLogEnabled: boolean
  readonly caKeyType: KeyType
  readonly jwtKeyType: KeyType
  /** Undefined: WIT-SVIDs are switched off. */
  readonly witKeyType: KeyType | undefined
  readonly caSubject: CaSubject
  readonly caTtlMs: number
  readonly defaultX509SvidTtlMs: number
  readonly defaultJwtSvidTtlMs: number
  readonly areJwtSvidsDisabled: boolean
  /** Empty: no `iss` claim. */
  readonly jwtIssuer: string
  /** Empty: WIT-SVIDs have no `iss` claim. */
  readonly witIssuer: string
  readonly log: LogConfig
  readonly maxAttestedNodeInfoStalenessMs: number
  readonly proxyProtocolTrustedCidrs: readonly string[]
  readonly nodePruning: NodePruningConfig | undefined
  readonly rateLimit: { readonly attestation: boolean; readonly signing: boolean }
  readonly federation: {
    readonly bundleEndpoint: BundleEndpointConfig | undefined
    readonly federatesWith: readonly FederatesWithConfig[]
    /** Networks of ours that a bundle endpoint may redirect to. */
    readonly redirectsMayLeadTo: readonly Cidr[]
  }
  /** Undefined: not served. */
  readonly oidcDiscovery: OidcDiscoveryConfig | undefined
  /** Undefined: no tokens are exchanged. */
  readonly tokenExchange: TokenExchangeConfig | undefined
  readonly experimental: ServerExperimentalConfig
  readonly profiling: ProfilingConfig
  /** In file order, disabled ones included. */
  readonly plugins: readonly PluginConfig[]
  readonly telemetry: TelemetryConfig
  readonly healthChecks: HealthChecksConfig
}
