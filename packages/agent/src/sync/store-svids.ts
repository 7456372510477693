import { type Clock, sleep } from '@mini-spire/runtime/clock'
import type { Logger } from '@mini-spire/runtime/log/logger'
import { type Metrics, timeCall } from '@mini-spire/runtime/telemetry/metrics'
import { isSpiffeError, messageOf } from '@mini-spire/sdk/errors'
import type { WorkloadCache } from '../cache/workload-cache.ts'
import type { AgentEntry } from '../model/agent-entry.ts'
import type { WorkloadX509Svid } from '../model/svid.ts'
import type { TrustBundle } from '../model/trust-bundle.ts'
import type { SvidStore } from '../plugins/svid-store/svid-store.ts'

const intervalMs = 5_000

/** Options of {@link SvidStorage}. */
export interface SvidStorageOptions {
  readonly cache: WorkloadCache
  /** By name: the type of the selectors of entries whose SVIDs they store. */
  readonly stores: ReadonlyMap<string, SvidStore>
  readonly clock: Clock
  readonly log: Logger
  readonly metrics: Metrics
}

/** What was stored last for an entry. */
interface Stored {
  readonly entry: AgentEntry
  /** Undefined: nothing was stored yet, or it is to be stored again. */
  readonly contents: readonly (WorkloadX509Svid | TrustBundle | number)[] | undefined
}

/**
 * Keeps the SVIDs of entries with `store_svid` in the stores that their selectors name: puts what is new or has changed,
 * deletes what is no longer wanted, and tries again what failed. All of it is put again after a restart.
 */
export class SvidStorage {
  readonly #options: SvidStorageOptions
  readonly #stored = new Map<string, Stored>()

  constructor(options: SvidStorageOptions) {
    this.#options = options
  }

  /** Works every five seconds until the signal aborts. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, metrics } = this.#options
    while (!signal.aborted) {
      await timeCall(metrics, clock, ['store', 'store_svid_updates'], () => this.store(signal))
      await sleep(clock, intervalMs, signal)
    }
  }

  /** Stores what has changed since the last time. Failures are logged. */
  async store(signal: AbortSignal): Promise<void> {
    const wanted = new Map<string, AgentEntry>()
    for (const entry of this.#options.cache.entries())
      if (entry.storeSvid) wanted.set(entry.id, entry)
    for (const [id, { entry }] of this.#stored) {
      if (signal.aborted) return
      if (!wanted.has(id) && (await this.#delete(entry, signal))) this.#stored.delete(id)
    }
    for (const entry of [...wanted.values()].sort(byId)) {
      if (signal.aborted) return
      await this.#update(entry, signal)
    }
  }

  async #update(entry: AgentEntry, signal: AbortSignal): Promise<void> {
    const before = this.#stored.get(entry.id)
    const svid = this.#options.cache.findX509Svid(entry.id)
    const contents = svid && this.#contentsOf(entry, svid)
    if (before?.contents && contents && isSame(before.contents, contents)) return
    // What is stored elsewhere by the entry's former selectors goes first; when that fails, it is not tried again.
    if (before?.contents && !hasSameSelectors(before.entry, entry)) {
      await this.#delete(before.entry, signal)
      this.#stored.set(entry.id, { entry, contents: undefined })
    }
    if (!before) this.#stored.set(entry.id, { entry, contents: undefined })
    if (svid && (await this.#put(entry, svid, signal))) {
      this.#stored.set(entry.id, { entry, contents })
    }
  }

  /** Everything that the store gets or that decides what it gets: when none of it is another, nothing is to be done. */
  #contentsOf(entry: AgentEntry, svid: WorkloadX509Svid): NonNullable<Stored['contents']> {
    const { bundles } = this.#options.cache
    const federated = entry.federatesWith.flatMap((trustDomain) => bundles.find(trustDomain) ?? [])
    return [entry.revisionNumber, svid, bundles.own, ...federated]
  }

  async #put(entry: AgentEntry, svid: WorkloadX509Svid, signal: AbortSignal): Promise<boolean> {
    const found = this.#target(entry, 'Error storing SVID: SVIDStore not found')
    if (!found) return false
    const { store, metadata, log } = found
    const { bundles } = this.#options.cache
    const federated = entry.federatesWith
      .filter((trustDomain) => !trustDomain.equals(bundles.own.trustDomain))
      .flatMap((trustDomain) => bundles.find(trustDomain) ?? [])
    try {
      await store.put(
        {
          spiffeId: entry.spiffeId,
          chain: svid.chain,
          privateKey: svid.privateKey,
          bundle: rootsOf(bundles.own),
          expiresAtSeconds: Math.floor(svid.notAfterMs / 1000),
          federatedBundles: new Map(
            federated.map((bundle) => [`spiffe://${bundle.trustDomain.name}`, rootsOf(bundle)]),
          ),
        },
        metadata,
        signal,
      )
      log.debug('SVID stored successfully')
      return true
    } catch (error) {
      log.error('Failed to put X509-SVID', { error: messageOf(error) })
      return false
    }
  }

  async #delete(entry: AgentEntry, signal: AbortSignal): Promise<boolean> {
    const found = this.#target(entry, 'Error deleting SVID: SVIDStore not found')
    if (!found) return false
    const { store, metadata, log } = found
    try {
      await store.delete(metadata, signal)
      log.debug('SVID deleted successfully')
      return true
    } catch (error) {
      const fields = { error: messageOf(error) }
      // There can be nothing stored by such selectors.
      const isMalformed = isSpiffeError(error) && error.kind === 'invalid-argument'
      if (isMalformed) log.debug('Failed to delete SVID because of malformed selectors', fields)
      else log.error('Failed to delete SVID', fields)
      return isMalformed
    }
  }

  /** The store that an entry's selectors name; undefined, with a line in the log, when there is none. */
  #target(
    entry: AgentEntry,
    notFound: string,
  ):
    | { readonly store: SvidStore; readonly metadata: readonly string[]; readonly log: Logger }
    | undefined {
    const [first] = entry.selectors
    const log = this.#options.log.with({ entry: entry.id, spiffe_id: entry.spiffeId.toString() })
    if (!first || entry.selectors.some(({ type }) => type !== first.type)) {
      const error = first ? 'selector contains multiple types' : 'no selectors found'
      log.error('Invalid store name in selectors', { error })
      return undefined
    }
    const storeLog = log.with({ svid_store: first.type })
    const store = this.#options.stores.get(first.type)
    if (!store) {
      storeLog.error(notFound)
      return undefined
    }
    return { store, metadata: entry.selectors.map(({ value }) => value), log: storeLog }
  }
}

function rootsOf(bundle: TrustBundle): readonly Uint8Array[] {
  return bundle.x509Authorities.map(({ certificate }) => certificate)
}

function byId(a: AgentEntry, b: AgentEntry): number {
  return a.id < b.id ? -1 : 1
}

function isSame(a: readonly unknown[], b: readonly unknown[]): boolean {
  return a.length === b.length && a.every((value, index) => value === b[index])
}

function hasSameSelectors(a: AgentEntry, b: AgentEntry): boolean {
  const texts = ({ selectors }: AgentEntry): readonly string[] =>
    selectors.map(({ type, value }) => JSON.stringify([type, value])).sort()
  return isSame(texts(a), texts(b))
}
