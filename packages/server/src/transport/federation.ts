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
import type { ServerSvidRotator } from './server-svid.ts'

/** Options of {@link Federation}. */
export interface FederationOptions {
  readonly config: Pick<ResolvedServerConfig, 'trustDomain' | 'federation'>
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

/** What a server exchanges with other trust domains: it follows their bundles, and serves its own if that is configured. */
export class Federation implements AsyncDisposable {
  readonly manager: BundleManager
  readonly #options: FederationOptions
  readonly #http: HttpClient
  #endpoint: BundleEndpoint | undefined

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

  /** Listens, if that is configured. @throws as {@link BundleEndpoint.listen} */
  async listen(): Promise<void> {
    const { config, bundle, svid, version, clock, log, chance } = this.#options
    const { bundleEndpoint } = config.federation
    if (!bundleEndpoint) return
    this.#endpoint = await BundleEndpoint.listen({
      config: bundleEndpoint,
      bundle: () => bundle.get(),
      svid: () => svid.current(),
      http: this.#http,
      version,
      clock,
      log: log.with({ subsystem_name: 'endpoints' }),
      chance,
    })
  }

  /** Follows and serves until the signal aborts. */
  async run(signal: AbortSignal): Promise<void> {
    await Promise.all([this.manager.run(signal), this.#endpoint?.run(signal)])
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#endpoint?.[Symbol.asyncDispose]()
  }
}
