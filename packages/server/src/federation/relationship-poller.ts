import type { Clock, Timer } from '@mini-spire/runtime/clock'
import type { Logger } from '@mini-spire/runtime/log/logger'
import { isSpiffeError, messageOf } from '@mini-spire/sdk/errors'
import { type FederationRelationship, isSameProfile } from '../model/federation-relationship.ts'
import type { TrustBundle } from '../model/trust-bundle.ts'
import type { FederationMetrics } from './federation-metrics.ts'
import { refreshDelayMs } from './refresh-schedule.ts'
import type { RelationshipHealth } from './relationship-health.ts'

/** A relationship that is followed, and where it comes from. */
export interface FollowedRelationship {
  readonly relationship: FederationRelationship
  readonly isStatic: boolean
}

/** Options of {@link RelationshipPoller}. */
export interface PollerOptions {
  /** Fetches and stores; resolves to the bundle when it is a new one. */
  readonly refresh: (
    relationship: FederationRelationship,
    signal: AbortSignal,
  ) => Promise<TrustBundle | undefined>
  readonly findBundle: (trustDomainName: string) => TrustBundle | undefined
  readonly metrics: FederationMetrics
  readonly clock: Clock
  readonly log: Logger
  /** A number from 0 up to 1, anew at each call. */
  readonly chance: () => number
}

/** Keeps the bundle of one trust domain fresh: fetches it at once, then as often as the bundle says, until it is stopped. */
export class RelationshipPoller {
  readonly #options: PollerOptions
  readonly #stopping = new AbortController()
  #followed: FollowedRelationship
  #timer: Timer | undefined
  /** The fetch under way, and the one that waits for its end. */
  #running: Promise<void> | undefined
  #waiting: Promise<void> | undefined
  #lastSuccess: Date | undefined
  #lastFailure: { readonly at: Date; readonly message: string } | undefined
  #failures = 0
  #nextTry: Date | undefined
  #isEndpointUnknown = false

  constructor(followed: FollowedRelationship, options: PollerOptions) {
    this.#followed = followed
    this.#options = options
  }

  get relationship(): FederationRelationship {
    return this.#followed.relationship
  }

  get health(): RelationshipHealth {
    return {
      isStatic: this.#followed.isStatic,
      lastSuccess: this.#lastSuccess,
      lastFailure: this.#lastFailure,
      failures: this.#failures,
      nextTry: this.#nextTry,
    }
  }

  /** Begins with an attempt at once. */
  start(): void {
    this.#poll()
  }

  /** Follows another relationship from now on, with an attempt at once. Returns whether it is another one. */
  change(followed: FollowedRelationship): boolean {
    const before = this.relationship
    const after = followed.relationship
    this.#followed = followed
    if (
      before.bundleEndpointUrl === after.bundleEndpointUrl &&
      isSameProfile(before.profile, after.profile)
    ) {
      return false
    }
    this.#failures = 0
    this.#poll()
    return true
  }

  /** Tries at once when all that was missing is the bundle of the endpoint's trust domain, and there is one now. */
  wake(): void {
    const { profile } = this.relationship
    if (!this.#isEndpointUnknown || profile.kind !== 'https_spiffe') return
    if (this.#options.findBundle(profile.endpointSpiffeId.trustDomain.name)) this.#poll()
  }

  /**
   * Fetches now, after a fetch that is under way.
   *
   * @throws {BundleEndpointError} what went wrong
   */
  async refresh(): Promise<void> {
    await this.#attempt()
  }

  /** Stops, also a fetch that is under way. */
  async stop(): Promise<void> {
    this.#stopping.abort(new Error('no longer followed'))
    this.#timer?.cancel()
    await Promise.allSettled([this.#running, this.#waiting])
    this.#options.log.info('No longer polling for updates')
  }

  #poll(): void {
    this.#timer?.cancel()
    this.#attempt().catch((error: unknown) => {
      if (this.#stopping.signal.aborted) return
      this.#options.log.error('Error updating bundle', { error: messageOf(error) })
    })
  }

  /** One attempt at a time, and at most one that waits: whoever comes then waits for that. */
  #attempt(): Promise<void> {
    if (!this.#running) {
      this.#running = this.#once().finally(() => {
        this.#running = undefined
      })
      return this.#running
    }
    this.#waiting ??= this.#running
      .catch(() => {})
      .then(() => {
        this.#waiting = undefined
        return this.#attempt()
      })
    return this.#waiting
  }

  async #once(): Promise<void> {
    const { metrics, clock, log, refresh } = this.#options
    const { relationship } = this
    const { signal } = this.#stopping
    signal.throwIfAborted()
    log.debug('Polling for bundle update')
    this.#timer?.cancel()
    this.#nextTry = undefined
    const startedMs = clock.nowMs()
    const { name } = relationship.trustDomain
    let failure: unknown
    try {
      const stored = await refresh(relationship, signal)
      this.#succeeded()
      if (stored) {
        log.info('Bundle refreshed')
        metrics.updated(name)
      }
    } catch (error) {
      failure = error
      this.#failed(error)
      throw error
    } finally {
      metrics.fetched(name, { durationMs: clock.nowMs() - startedMs, error: failure })
      metrics.health(name, this.health)
      this.#schedule()
    }
  }

  #succeeded(): void {
    this.#lastSuccess = this.#options.clock.now()
    this.#failures = 0
    this.#isEndpointUnknown = false
  }

  #failed(error: unknown): void {
    this.#lastFailure = { at: this.#options.clock.now(), message: messageOf(error) }
    this.#failures++
    this.#isEndpointUnknown = isSpiffeError(error, 'ERR_BUNDLE_ENDPOINT_NOT_TRUSTED')
  }

  #schedule(): void {
    if (this.#stopping.signal.aborted) return
    const { clock, log, chance, findBundle } = this.#options
    const stored = findBundle(this.relationship.trustDomain.name)
    const delayMs = refreshDelayMs({
      bundle: this.#isEndpointUnknown ? undefined : stored,
      failures: this.#failures,
      chance: chance(),
    })
    const nextTry = new Date(clock.nowMs() + delayMs)
    this.#nextTry = nextTry
    const at = nextTry.toISOString().replace(/\.\d+Z$/, 'Z')
    log.debug('Scheduling next bundle refresh', { at })
    this.#timer = clock.setTimer(delayMs, () => this.#poll())
  }
}
