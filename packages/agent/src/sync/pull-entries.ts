import type { TrustDomain } from '@mini-spire/sdk/spiffe-id'
import type { AgentEntry, EntryRevision } from '../model/agent-entry.ts'
import type { TrustBundle } from '../model/trust-bundle.ts'
import type { EntryListing, EntrySync, ServerApi } from '../server-api/server-api.ts'

/** How many federated bundles are asked for at once. */
const maxParallelBundles = 10

/** What the server says this agent may serve. */
export interface PulledState {
  readonly entries: ReadonlyMap<string, AgentEntry>
  readonly ownBundle: TrustBundle
  readonly federatedBundles: readonly TrustBundle[]
}

/** Options of {@link EntryPuller}. */
export interface EntryPullerOptions {
  readonly server: ServerApi
  /** False: ask for all entries each time, as before SyncAuthorizedEntries. */
  readonly usesSync: boolean
}

/**
 * Asks the server for what has changed. Entries that have not stay the same objects, so that a comparison by identity tells
 * what is new.
 */
export class EntryPuller {
  readonly #server: ServerApi
  readonly #usesSync: boolean
  #entries: ReadonlyMap<string, AgentEntry> = new Map()

  constructor(options: EntryPullerOptions) {
    this.#server = options.server
    this.#usesSync = options.usesSync
  }

  /** One synchronisation: entries, then the bundles they need. What is kept for the next one changes only when all came. */
  async pull(signal: AbortSignal): Promise<PulledState> {
    const entries = this.#usesSync
      ? await this.#server.syncEntries(signal, (sync) => this.#read(sync))
      : this.#reused(await this.#server.getAuthorizedEntries(signal))
    const [ownBundle, federatedBundles] = await Promise.all([
      this.#server.getBundle(signal),
      this.#federatedBundles(entries, signal),
    ])
    this.#entries = entries
    return { entries, ownBundle, federatedBundles }
  }

  /** Takes over what came another way, so that it is not asked for again. */
  adopt(entries: ReadonlyMap<string, AgentEntry>): void {
    this.#entries = entries
  }

  async #read({ listing, fetch }: EntrySync): Promise<ReadonlyMap<string, AgentEntry>> {
    if (listing.kind === 'entries') return this.#reused(listing.entries)
    const known = this.#known(listing)
    const stale = listing.revisions.filter(({ id }) => !known.has(id)).map(({ id }) => id)
    if (stale.length === 0) return known
    for await (const page of fetch(stale)) for (const entry of page) known.set(entry.id, entry)
    return known
  }

  /** Entries that are as the server lists them. */
  #known(listing: Extract<EntryListing, { kind: 'revisions' }>): Map<string, AgentEntry> {
    const known = new Map<string, AgentEntry>()
    for (const revision of listing.revisions) {
      const entry = this.#entries.get(revision.id)
      if (entry && isCurrent(entry, revision)) known.set(entry.id, entry)
    }
    return known
  }

  #reused(entries: readonly AgentEntry[]): ReadonlyMap<string, AgentEntry> {
    return new Map(
      entries.map((entry) => {
        const known = this.#entries.get(entry.id)
        return [entry.id, known && isCurrent(known, entry) ? known : entry]
      }),
    )
  }

  async #federatedBundles(
    entries: ReadonlyMap<string, AgentEntry>,
    signal: AbortSignal,
  ): Promise<readonly TrustBundle[]> {
    const wanted = new Map<string, TrustDomain>()
    for (const { federatesWith } of entries.values())
      for (const trustDomain of federatesWith) wanted.set(trustDomain.name, trustDomain)
    const waiting = [...wanted.values()]
    const found: TrustBundle[] = []
    const work = async (): Promise<void> => {
      for (let next = waiting.pop(); next; next = waiting.pop()) {
        const bundle = await this.#server.findFederatedBundle(next, signal)
        if (bundle) found.push(bundle)
      }
    }
    await Promise.all(Array.from({ length: Math.min(maxParallelBundles, waiting.length) }, work))
    return found
  }
}

/** Whether an entry is what the server lists. An old server does not say when it was created. */
function isCurrent(entry: AgentEntry, listed: Omit<EntryRevision, 'id'>): boolean {
  return (
    entry.revisionNumber === listed.revisionNumber &&
    (listed.createdAtSeconds === 0 || entry.createdAtSeconds === listed.createdAtSeconds)
  )
}
