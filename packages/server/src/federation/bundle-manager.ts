import { type Clock, sleep } from '@mini-spire/runtime/clock'
import type { HttpClient } from '@mini-spire/runtime/http/http-client'
import type { Logger } from '@mini-spire/runtime/log/logger'
import type { Metrics } from '@mini-spire/runtime/telemetry/metrics'
import type { TrustDomain } from '@mini-spire/sdk/spiffe-id'
import type { FederationRelationship } from '../model/federation-relationship.ts'
import type { FederationState } from './commit.ts'
import { FederationMetrics } from './federation-metrics.ts'
import { BundleFetcher } from './fetch-bundle.ts'
import { refreshBundle } from './refresh-bundle.ts'
import type { RelationshipHealth } from './relationship-health.ts'
import { type FollowedRelationship, RelationshipPoller } from './relationship-poller.ts'
import type { RemoteAddresses } from './remote-addresses.ts'

/** How often relationships are looked at beside the times when they are known to have changed. */
const reloadIntervalMs = 10_000

/** Options of {@link BundleManager}. */
export interface BundleManagerOptions {
  readonly trustDomain: TrustDomain
  /** Relationships of the configuration: they take the place of those made at run time. */
  readonly federatesWith: readonly FederationRelationship[]
  readonly state: FederationState
  readonly http: Pick<HttpClient, 'request'>
  readonly remoteAddresses: RemoteAddresses
  readonly metrics: Metrics
  readonly clock: Clock
  readonly log: Logger
  /** A number from 0 up to 1, anew at each call. */
  readonly chance: () => number
}

/**
 * Follows every federation relationship: keeps the bundles of the other trust domains as fresh as they ask for. When a
 * relationship ends, its bundle stays.
 */
export class BundleManager {
  readonly #options: BundleManagerOptions
  readonly #fetcher: BundleFetcher
  readonly #metrics: FederationMetrics
  readonly #pollers = new Map<string, RelationshipPoller>()
  /** Pollers that are on their way out. */
  readonly #leaving = new Set<Promise<void>>()
  #isRunning = false

  constructor(options: BundleManagerOptions) {
    const { http, remoteAddresses, clock, state } = options
    this.#options = options
    this.#metrics = new FederationMetrics(options.metrics)
    this.#fetcher = new BundleFetcher({
      http,
      remoteAddresses,
      clock,
      findBundle: (name) => state.registry.bundles.find(name),
    })
  }

  /** Follows until the signal aborts; resolves when nothing is under way any more. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, log } = this.#options
    this.#isRunning = true
    do this.reload()
    while (await sleep(clock, reloadIntervalMs, signal))
    this.#isRunning = false
    log.info('Shutting down')
    for (const name of [...this.#pollers.keys()]) this.#drop(name)
    await Promise.all(this.#leaving)
  }

  /** Looks at the relationships again: new and changed ones are fetched at once. */
  reload(): void {
    if (!this.#isRunning) return
    const wanted = this.#wanted()
    for (const [name, poller] of this.#pollers) {
      const followed = wanted.get(name)
      if (followed) this.#keep(poller, followed)
      else {
        this.#options.log.info('Trust domain no longer managed', { entry: name })
        this.#drop(name)
      }
    }
    for (const [name, followed] of wanted) if (!this.#pollers.has(name)) this.#add(name, followed)
  }

  /**
   * Fetches the bundle of a trust domain now.
   *
   * @returns false when there is no relationship with it
   * @throws {BundleEndpointError} what went wrong
   */
  async refresh(trustDomain: TrustDomain): Promise<boolean> {
    this.reload()
    const poller = this.#pollers.get(trustDomain.name)
    if (!poller) return false
    await poller.refresh()
    return true
  }

  /** How each relationship stands, by trust domain name; as of the last look at them. */
  health(): ReadonlyMap<string, RelationshipHealth> {
    return new Map([...this.#pollers].map(([name, poller]) => [name, poller.health]))
  }

  #wanted(): ReadonlyMap<string, FollowedRelationship> {
    const { federatesWith, state } = this.#options
    const wanted = new Map<string, FollowedRelationship>()
    for (const relationship of state.registry.relationships.values()) {
      wanted.set(relationship.trustDomain.name, { relationship, isStatic: false })
    }
    for (const relationship of federatesWith) {
      wanted.set(relationship.trustDomain.name, { relationship, isStatic: true })
    }
    return wanted
  }

  #keep(poller: RelationshipPoller, followed: FollowedRelationship): void {
    if (!poller.change(followed)) {
      poller.wake()
      return
    }
    const { trustDomain, bundleEndpointUrl, profile } = followed.relationship
    this.#options.log.info('Updated configuration for managed trust domain', {
      entry: trustDomain.name,
      bundle_endpoint_url: bundleEndpointUrl,
      bundle_endpoint_profile: profile.kind,
    })
  }

  #add(name: string, followed: FollowedRelationship): void {
    const { trustDomain, state, clock, log, chance } = this.#options
    const { bundleEndpointUrl, profile } = followed.relationship
    log.info('Trust domain is now managed', {
      bundle_endpoint_url: bundleEndpointUrl,
      bundle_endpoint_profile: profile.kind,
      trust_domain: name,
    })
    const refresh = { ownTrustDomain: trustDomain, state, fetcher: this.#fetcher }
    const poller = new RelationshipPoller(followed, {
      refresh: (relationship, signal) => refreshBundle(refresh, relationship, signal),
      findBundle: (other) => state.registry.bundles.find(other),
      metrics: this.#metrics,
      clock,
      log: log.with({ trust_domain: name }),
      chance,
    })
    this.#pollers.set(name, poller)
    poller.start()
  }

  #drop(name: string): void {
    const poller = this.#pollers.get(name)
    if (!poller) return
    this.#pollers.delete(name)
    const leaving = poller.stop().finally(() => this.#leaving.delete(leaving))
    this.#leaving.add(leaving)
  }
}
