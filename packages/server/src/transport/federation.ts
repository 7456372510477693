import type { Clock } from '@mini-spire/runtime/clock'
import { HttpClient } from '@mini-spire/runtime/http/http-client'
import type { Logger } from '@mini-spire/runtime/log/logger'
import type { Metrics } from '@mini-spire/runtime/telemetry/metrics'
import type { OwnBundle } from '../bundle/own-bundle.ts'
import type { ResolvedServerConfig } from '../config/resolved-config.ts'
import { BundleManager } from '../federation/bundle-manager.ts'
import { RemoteAddresses } from '../federation/remote-addresses.ts'
import type { Registry } from '../registry/registry.ts'
import type { Store } from '../store/store.ts'
import { BundleEndpoint } from './bundle-endpoint.ts'
import { OidcDiscovery } from './oidc-discovery.ts'
import type { ServerSvidRotator } from './server-svid.ts'

/** Options of {@link Federation}. */
export interface FederationOptions {
  readonly config: Pick<ResolvedServerConfig, 'trustDomain' | 'federation' | 'oidcDiscovery'>
  readonly registry: Registry
  readonly store: Store
  readonly bundle: OwnBundle
  readonly svid: ServerSvidRotator
  /** Says which roots and proxies are used on the way out. */
  readonly environment: Readonly<Record<string, string | undefined>>
  readonly version: string
  readonly metrics: Metrics
  readonly clock: Clock
  readonly log: Logger
  /** A number from 0 up to 1, anew at each call. */
  readonly chance: () => number
}

/**
 * What a server has to do with the world outside its trust domain: it follows bundles of others, and serves its own to them and to
 * OpenID Connect relying parties if that is configured.
 */
export class Federation implements AsyncDisposable {
  readonly manager: BundleManager
  readonly #options: FederationOptions
  readonly #http: HttpClient
  #endpoint: BundleEndpoint | undefined
  #discovery: OidcDiscovery | undefined

  constructor(options: FederationOptions) {
    const { config, registry, store, environment, metrics, clock, log, chance } = options
    const { federatesWith, redirectsMayLeadTo } = config.federation
    this.#options = options
    this.#http = new HttpClient({ environment, clock })
    this.manager = new BundleManager({
      trustDomain: config.trustDomain,
      federatesWith,
      state: { registry, store },
      http: this.#http,
      remoteAddresses: new RemoteAddresses({ allowed: redirectsMayLeadTo }),
      metrics,
      clock,
      log: log.with({ subsystem_name: 'bundle_client' }),
      chance,
    })
  }

  /** Listens where that is configured. @throws as {@link BundleEndpoint.listen} */
  async listen(): Promise<void> {
    const { config, bundle, svid, version, clock, chance } = this.#options
    const log = this.#options.log.with({ subsystem_name: 'endpoints' })
    const http = this.#http
    const common = { bundle: () => bundle.get(), http, version, clock, log, chance }
    const { bundleEndpoint } = config.federation
    if (bundleEndpoint) {
      this.#endpoint = await BundleEndpoint.listen({
        ...common,
        config: bundleEndpoint,
        svid: () => svid.current(),
      })
    }
    if (config.oidcDiscovery) {
      this.#discovery = await OidcDiscovery.listen({ ...common, config: config.oidcDiscovery })
    }
  }

  /** Follows and serves until the signal aborts. */
  async run(signal: AbortSignal): Promise<void> {
    await Promise.all([
      this.manager.run(signal),
      this.#endpoint?.run(signal),
      this.#discovery?.run(signal),
    ])
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#discovery?.[Symbol.asyncDispose]()
    await this.#endpoint?.[Symbol.asyncDispose]()
  }
}
