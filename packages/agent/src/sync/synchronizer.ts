import { Backoff } from '@mini-spire/runtime/backoff'
import { type Clock, sleep } from '@mini-spire/runtime/clock'
import type { Logger } from '@mini-spire/runtime/log/logger'
import { type Metrics, noMetrics, timeCall } from '@mini-spire/runtime/telemetry/metrics'
import { messageOf } from '@mini-spire/sdk/errors'
import type { CacheChanges, WorkloadCache } from '../cache/workload-cache.ts'
import type { RotationRule } from '../model/rotation.ts'
import type { TrustBundle } from '../model/trust-bundle.ts'
import type { BootstrapState } from '../node-attestation/bootstrap-state.ts'
import type { Rebootstrap } from '../node-attestation/rebootstrap.ts'
import type { ServerApi } from '../server-api/server-api.ts'
import { isUnknownAuthority, verdictOf } from '../server-api/verdict.ts'
import type { AgentStorage } from '../storage/agent-state.ts'
import { logChanges } from './log-changes.ts'
import type { EntryPuller, PulledState } from './pull-entries.ts'
import { PushStream } from './push-stream.ts'
import { PushedSet } from './pushed-set.ts'
import type { X509SvidRenewer } from './renew-svids.ts'
import { SyncError } from './sync-error.ts'
import type { TaintReaction } from './taints.ts'

/** The interval unless another is configured, and the most there is while nothing has been signed yet. */
export const defaultSyncIntervalMs = 5_000
const maxIntervalMs = 480_000
const maxIntervalMultiple = 48
/** While the server pushes, the agent still asks once in so many intervals: a safety net under what is new. */
const pushedIntervals = 60

/** Options of {@link Synchronizer}. */
export interface SynchronizerOptions {
  readonly puller: EntryPuller
  readonly server: Pick<ServerApi, 'push' | 'offersPush' | 'releaseUntrusted'>
  readonly cache: WorkloadCache
  readonly renewer: X509SvidRenewer
  readonly rotation: RotationRule
  readonly taints: TaintReaction
  readonly storage: AgentStorage
  readonly bootstrap: BootstrapState
  readonly rebootstrap: Rebootstrap
  readonly intervalMs: number
  readonly clock: Clock
  readonly log: Logger
  readonly chance: () => number
  /** @default nothing is counted */
  readonly metrics?: Metrics
}

/** Brings what the server says into the cache: as the server pushes it, or by asking again and again. */
export class Synchronizer {
  readonly #options: SynchronizerOptions
  readonly #backoff: Backoff
  readonly #pushed: PushedSet
  readonly #stream: PushStream
  /** Aborts when {@link Synchronizer.run} is to end. */
  #running: AbortSignal = new AbortController().signal
  #lastSuccess: Date | undefined

  constructor(options: SynchronizerOptions) {
    const { intervalMs, clock, chance, server, log, cache } = options
    this.#options = options
    this.#pushed = new PushedSet(cache.bundles.own.trustDomain)
    this.#stream = new PushStream({
      server,
      set: this.#pushed,
      apply: (state) => {
        options.puller.adopt(state.entries)
        return this.#apply(state, this.#running)
      },
      onQuiet: () => {
        this.#lastSuccess = clock.now()
      },
      clock,
      log,
      chance,
    })
    this.#backoff = new Backoff({
      initialMs: intervalMs,
      maxMs: Math.min(maxIntervalMs, maxIntervalMultiple * intervalMs),
      clock,
      chance,
    })
  }

  /** When the cache was last what the server said. */
  get lastSuccess(): Date | undefined {
    return this.#lastSuccess
  }

  /** Synchronises once; throws what went wrong. */
  async synchronize(signal: AbortSignal): Promise<void> {
    const { puller, clock, metrics = noMetrics } = this.#options
    const state = await timeCall(metrics, clock, fetchEntriesKey, () => puller.pull(signal))
    this.#pushed.adopt(state)
    await this.#apply(state, signal)
  }

  async #apply(state: PulledState, signal: AbortSignal): Promise<void> {
    const { cache, server, renewer, clock, log, metrics = noMetrics } = this.#options
    const changes = cache.update(state)
    if (changes.isOwnBundleChanged) server.releaseUntrusted()
    logChanges(log, changes)
    countSync(metrics, cache, changes, state.federatedBundles.length + 1)
    if (changes.isOwnBundleChanged) await this.#storeBundle(state.ownBundle)
    this.#reactToTaints(state.ownBundle, signal)
    this.#tidy()
    renewer.request()
    this.#lastSuccess = clock.now()
  }

  /**
   * Follows what the server pushes, or synchronises in the configured interval, until the signal aborts; failures only make
   * it slower.
   *
   * @throws {SyncError} `ERR_SYNC_FAILED` when the server refuses the agent, or one of them is not trusted any more
   * @throws {SyncError} `ERR_SHUTDOWN_TO_REBOOTSTRAP`
   */
  async run(signal: AbortSignal): Promise<void> {
    const { cache, bootstrap } = this.#options
    this.#running = signal
    let delayMs = Math.min(this.#next(), defaultSyncIntervalMs)
    for (;;) {
      try {
        if (!(await this.#untilDue(delayMs, signal))) return
        await this.synchronize(signal)
        if (this.#options.storage.state.bootstrapStartTime) await bootstrap.succeed()
        this.#backoff.reset()
        delayMs = this.#next()
        if (cache.x509SvidCount === 0) delayMs = Math.min(delayMs, defaultSyncIntervalMs)
      } catch (error) {
        if (signal.aborted) return
        delayMs = await this.#delayAfter(error)
      }
    }
  }

  /** Waits until it is time to ask; false: the signal has aborted. */
  #untilDue(delayMs: number, signal: AbortSignal): Promise<boolean> {
    const wait = (): Promise<boolean> => sleep(this.#options.clock, delayMs, signal)
    if (!this.#stream.isOffered) return wait()
    return this.#follow(signal).then((isDue) => isDue || wait())
  }

  /**
   * Takes what the server pushes, as long as it does; resolves to whether it is time to ask, rather than first to wait.
   *
   * @throws when the server has decided about this agent
   */
  async #follow(signal: AbortSignal): Promise<boolean> {
    const ending = new AbortController()
    const end = (): void => ending.abort()
    signal.addEventListener('abort', end, { once: true })
    const ticking = this.#tick(ending.signal).then(end)
    try {
      await this.#stream.follow(ending.signal)
      return ending.signal.aborted && !signal.aborted
    } finally {
      end()
      signal.removeEventListener('abort', end)
      await ticking
    }
  }

  /** Renews what becomes due and drops what is too much, for as many intervals as nothing is asked for. */
  async #tick(signal: AbortSignal): Promise<void> {
    const { clock, intervalMs, renewer } = this.#options
    for (let left = pushedIntervals; left > 0; left--) {
      if (!(await sleep(clock, intervalMs, signal))) return
      this.#tidy()
      renewer.request()
    }
  }

  /** Writes the bundle to the state file; a failure is logged only, the next change tries again. */
  async #storeBundle(bundle: TrustBundle): Promise<void> {
    const { storage, log } = this.#options
    const roots = bundle.x509Authorities.map(({ certificate }) => certificate)
    await storage
      .update({ bundle: roots })
      .catch((error) => log.error('Could not store bundle', { error: messageOf(error) }))
  }

  /** Goes on beside what follows: many SVIDs take minutes, and the next look at the server does not wait for them. */
  #reactToTaints(bundle: TrustBundle, signal: AbortSignal): void {
    const { taints, log } = this.#options
    taints.react(bundle, signal).catch((error: unknown) => {
      log.error('Failed to process tainted authorities', { error: messageOf(error) })
    })
  }

  #tidy(): void {
    const { cache, log } = this.#options
    for (const id of cache.trimX509Svids()) log.debug('Removing SVID record', { record_id: id })
    this.#markDue()
  }

  #markDue(): void {
    const { cache, rotation, clock, metrics = noMetrics } = this.#options
    const nowMs = clock.nowMs()
    let due = 0
    for (const [id, svid] of cache.x509Svids()) {
      if (!rotation.isX509Due(svid, nowMs)) continue
      cache.markStale(id)
      due++
    }
    if (due > 0) metrics.sample(['cache_manager', 'expiring_svids', 'workload'], due)
  }

  async #delayAfter(error: unknown): Promise<number> {
    const { log } = this.#options
    if (isUnknownAuthority(error)) return await this.#delayAfterLostTrust(error)
    log.error('Synchronize failed', { error: messageOf(error) })
    if (verdictOf(error)) throw new SyncError('ERR_SYNC_FAILED', messageOf(error), { cause: error })
    return this.#next()
  }

  async #delayAfterLostTrust(error: unknown): Promise<number> {
    const { log, bootstrap, rebootstrap } = this.#options
    if (!rebootstrap.isEnabled) {
      log.info('Synchronize failed, non-recoverable error', { error: messageOf(error) })
      throw failed(error)
    }
    if (await rebootstrap.isDue(log)) {
      log.warn("Trust Bundle and Server don't agree, rebootstrapping")
      await bootstrap.force()
      throw new SyncError('ERR_SHUTDOWN_TO_REBOOTSTRAP', 'shutting down for rebootstrapping')
    }
    this.#backoff.reset()
    return Math.min(this.#next(), defaultSyncIntervalMs)
  }

  #next(): number {
    return this.#backoff.next() ?? this.#options.intervalMs
  }
}

function failed(error: unknown): SyncError {
  return new SyncError('ERR_SYNC_FAILED', `failed to sync with SPIRE Server: ${messageOf(error)}`, {
    cause: error,
  })
}

const fetchEntriesKey = ['manager', 'sync', 'fetch_entries_updates']

/** What a synchronisation found and left, under SPIRE's names. */
function countSync(
  metrics: Metrics,
  cache: WorkloadCache,
  { created, updated, removed }: CacheChanges,
  bundles: number,
): void {
  metrics.gauge(['sync_bundles_total'], bundles)
  metrics.gauge(['sync_entries_total'], cache.entryCount)
  metrics.gauge(['sync_entries_missing'], created.length)
  metrics.gauge(['sync_entries_stale'], updated.length)
  metrics.gauge(['sync_entries_dropped'], removed.length)
  metrics.count(['lru_cache_entry_add'], created.length)
  metrics.count(['lru_cache_entry_update'], updated.length)
  metrics.count(['lru_cache_entry_remove'], removed.length)
  metrics.gauge(['lru_cache_record_map_size'], cache.entryCount)
  metrics.gauge(['lru_cache_svid_map_size'], cache.x509SvidCount)
  const outdated = updated.filter(
    ({ before, after }) => before.revisionNumber !== after.revisionNumber,
  )
  if (outdated.length > 0)
    metrics.sample(['cache_manager', 'outdated_svids', 'workload'], outdated.length)
}
