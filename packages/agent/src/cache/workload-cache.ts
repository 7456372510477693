import type { Clock } from '@mini-spire/runtime/clock'
import type { AgentEntry } from '../model/agent-entry.ts'
import { selectorKey } from '../model/selector.ts'
import { SelectorSet } from '../model/selector-set.ts'
import type { WorkloadX509Svid } from '../model/svid.ts'
import type { TrustBundle } from '../model/trust-bundle.ts'
import { type BundleChange, Bundles } from './bundles.ts'
import { Entries, type EntryChanges } from './entries.ts'
import { Subscribers, type Subscription } from './subscribers.ts'
import type { WorkloadView } from './workload-view.ts'
import { buildView, isSameView } from './workload-view.ts'
import { X509Svids } from './x509-svids.ts'

/** How many views are remembered; more looks than this at once are computed anew. */
const maxViews = 4096

const noSelectors = new SelectorSet([])

/** Options of {@link WorkloadCache}. */
export interface WorkloadCacheOptions {
  readonly ownBundle: TrustBundle
  /** How many X509-SVIDs are kept when nobody waits for them. */
  readonly maxX509Svids: number
  readonly clock: Clock
}

/** An entry that needs an SVID, and until when it has one. */
export interface WantedSvid {
  readonly entry: AgentEntry
  /** 0: it has none. */
  readonly expiresAtMs: number
}

/** What {@link WorkloadCache.update} changed. */
export interface CacheChanges extends EntryChanges {
  readonly isOwnBundleChanged: boolean
  /** Name of the agent's own trust domain. */
  readonly ownDomain: string
  /** Trust domains whose bundle changed, the own one apart. */
  readonly changedDomains: ReadonlyMap<string, BundleChange>
}

/**
 * What the agent serves from: entries, their X509-SVIDs, bundles, and who waits for news of them. Memory only.
 *
 * Views are computed once for workloads that look the same, and stay the same object while nothing in them changes, so
 * that what is derived from one (an encoded answer) can be kept with it.
 */
export class WorkloadCache {
  readonly #entries = new Entries()
  readonly #svids = new X509Svids()
  /** Of entries with `store_svid`: as many as there are, and none of a workload's. */
  readonly #storedSvids = new Map<string, WorkloadX509Svid>()
  readonly #bundles: Bundles
  readonly #subscribers = new Subscribers()
  /** Those who want to know of all bundles. */
  readonly #bundleSubscribers = new Subscribers()
  readonly #clock: Clock
  readonly #maxX509Svids: number
  readonly #views = new Map<string, { generation: number; view: WorkloadView }>()
  /** Entries whose SVID was signed for an earlier revision, or is due. */
  readonly #stale = new Set<string>()
  #generation = 0

  constructor(options: WorkloadCacheOptions) {
    this.#bundles = new Bundles(options.ownBundle)
    this.#maxX509Svids = options.maxX509Svids
    this.#clock = options.clock
  }

  get bundles(): Pick<Bundles, 'own' | 'find' | 'values'> {
    return this.#bundles
  }

  get entryCount(): number {
    return this.#entries.size
  }

  get x509SvidCount(): number {
    return this.#svids.size
  }

  /** How many SVIDs there are for entries with `store_svid`. */
  get storedX509SvidCount(): number {
    return this.#storedSvids.size
  }

  get subscriberCount(): number {
    return this.#subscribers.size
  }

  entries(): IterableIterator<AgentEntry> {
    return this.#entries.values()
  }

  /** Those of workloads and those that are stored elsewhere. */
  *x509Svids(): IterableIterator<readonly [string, WorkloadX509Svid]> {
    yield* this.#svids.entries()
    yield* this.#storedSvids
  }

  /** The SVID of an entry, if it is signed. */
  findX509Svid(entryId: string): WorkloadX509Svid | undefined {
    return this.#svids.find(entryId) ?? this.#storedSvids.get(entryId)
  }

  /** The entries for a workload, ascending by ID. */
  matching(set: SelectorSet): readonly AgentEntry[] {
    return this.view(set).entries
  }

  /** What a workload with these selectors may have now. */
  view(set: SelectorSet): WorkloadView {
    const known = this.#views.get(set.key)
    if (known?.generation === this.#generation) return known.view
    const fresh = buildView(this.#entries.matching(set), this.#svids, this.#bundles)
    const view = known && isSameView(known.view, fresh) ? known.view : fresh
    if (this.#views.size >= maxViews) this.#views.clear()
    this.#views.set(set.key, { generation: this.#generation, view })
    return view
  }

  /** Joins the waiting; the caller closes what it gets. */
  subscribe(set: SelectorSet): Subscription {
    const nowMs = this.#clock.nowMs()
    for (const entry of this.matching(set)) this.#svids.touch(entry.id, nowMs)
    return this.#subscribers.join(set)
  }

  /** Joins those who wait for any bundle to change; the caller closes what it gets. */
  subscribeToBundles(): Subscription {
    return this.#bundleSubscribers.join(noSelectors)
  }

  /** Takes what the server said, drops what is no longer needed, and tells whom it concerns. */
  update(state: {
    readonly entries: ReadonlyMap<string, AgentEntry>
    readonly ownBundle: TrustBundle
    readonly federatedBundles: readonly TrustBundle[]
  }): CacheChanges {
    const isOwnBundleChanged = this.#bundles.setOwn(state.ownBundle)
    const changedDomains = this.#bundles.replaceFederated(state.federatedBundles)
    const changes = this.#entries.replace(state.entries)
    for (const { id } of changes.removed) this.#drop(id)
    for (const { before, after } of changes.updated) {
      if (before.storeSvid !== after.storeSvid) this.#drop(after.id)
      else if (before.revisionNumber !== after.revisionNumber) this.#stale.add(after.id)
    }
    this.#generation++
    this.#notifyOf(changes, isOwnBundleChanged, changedDomains)
    const ownDomain = state.ownBundle.trustDomain.name
    return { ...changes, isOwnBundleChanged, ownDomain, changedDomains }
  }

  /** Puts a new own bundle in, from an answer that brought one outside the schedule. */
  setOwnBundle(bundle: TrustBundle): boolean {
    if (!this.#bundles.setOwn(bundle)) return false
    this.#generation++
    this.#subscribers.notify(() => true)
    this.#bundleSubscribers.notify(() => true)
    return true
  }

  /** Keeps SVIDs that were just signed; those of entries that are gone meanwhile are dropped. */
  setX509Svids(svids: ReadonlyMap<string, WorkloadX509Svid>): void {
    const kept: string[] = []
    for (const [id, svid] of svids) {
      const entry = this.#entries.find(id)
      if (!entry) continue
      if (entry.storeSvid) this.#storedSvids.set(id, svid)
      else this.#svids.set(id, svid)
      if (entry.revisionNumber === svid.revisionNumber) this.#stale.delete(id)
      kept.push(id)
    }
    if (kept.length === 0) return
    this.#generation++
    this.#subscribers.notify((set) => kept.some((id) => this.#entries.matches(id, set)))
  }

  /** Drops the SVIDs beyond the size that nobody waits for, the longest unused first; returns the IDs of their entries. */
  trimX509Svids(): readonly string[] {
    const dropped = this.#svids.trim(this.#maxX509Svids, this.#neededBySomebody())
    if (dropped.length > 0) this.#generation++
    return dropped
  }

  /** Says that an entry's SVID is due for renewal; it is served until the new one is there. */
  markStale(entryId: string): void {
    if (this.findX509Svid(entryId)) this.#stale.add(entryId)
  }

  /** Drops SVIDs that must not be served any more. Whoever waits with them gets the new ones when they are signed. */
  dropX509Svids(entryIds: readonly string[]): void {
    for (const id of entryIds) this.#drop(id)
    this.#generation++
  }

  /** What is to be signed: first what somebody waits for, then what is due, soonest expired first, then what is stored elsewhere, then free room. */
  wantedX509Svids(): readonly WantedSvid[] {
    const wanted = new Map<string, AgentEntry>()
    for (const set of this.#subscribers.sets())
      for (const entry of this.matching(set))
        if (!entry.storeSvid && !this.#svids.find(entry.id)) wanted.set(entry.id, entry)
    const due = [...this.#stale]
      .map((id) => ({ id, expiresAtMs: this.findX509Svid(id)?.notAfterMs ?? 0 }))
      .sort((a, b) => a.expiresAtMs - b.expiresAtMs)
    for (const { id } of due) {
      const entry = this.#entries.find(id)
      if (entry && this.findX509Svid(id)) wanted.set(id, entry)
    }
    this.#addStored(wanted)
    this.#addPrefetched(wanted)
    return [...wanted.values()].map((entry) => ({
      entry,
      expiresAtMs: this.findX509Svid(entry.id)?.notAfterMs ?? 0,
    }))
  }

  /** Whoever fetches a stored SVID does not wait here: all of them are signed. */
  #addStored(wanted: Map<string, AgentEntry>): void {
    for (const entry of this.#entries.values())
      if (entry.storeSvid && !this.#storedSvids.has(entry.id)) wanted.set(entry.id, entry)
  }

  #addPrefetched(wanted: Map<string, AgentEntry>): void {
    let missing = 0
    for (const entry of wanted.values())
      if (!entry.storeSvid && !this.#svids.find(entry.id)) missing++
    let room = this.#maxX509Svids - this.#svids.size - missing
    for (const entry of this.#entries.values()) {
      if (room <= 0) return
      if (entry.disableX509SvidPrefetch || entry.storeSvid) continue
      if (wanted.has(entry.id) || this.#svids.find(entry.id)) continue
      wanted.set(entry.id, entry)
      room--
    }
  }

  #drop(entryId: string): void {
    this.#svids.delete(entryId)
    this.#storedSvids.delete(entryId)
    this.#stale.delete(entryId)
  }

  #neededBySomebody(): (entryId: string) => boolean {
    const needed = new Set<string>()
    for (const set of this.#subscribers.sets())
      for (const entry of this.#entries.matching(set)) needed.add(entry.id)
    return (id) => needed.has(id)
  }

  #notifyOf(
    changes: EntryChanges,
    isOwnBundleChanged: boolean,
    changedDomains: ReadonlyMap<string, BundleChange>,
  ): void {
    if (isOwnBundleChanged || changedDomains.size > 0) this.#bundleSubscribers.notify(() => true)
    if (isOwnBundleChanged) {
      this.#subscribers.notify(() => true)
      return
    }
    const touched = [...changes.created, ...changes.removed]
    for (const { before, after } of changes.updated) touched.push(before, after)
    const keys = touched.map((entry) => entry.selectors.map(selectorKey))
    const federates = (entry: AgentEntry): boolean =>
      entry.federatesWith.some(({ name }) => changedDomains.has(name))
    if (keys.length === 0 && changedDomains.size === 0) return
    this.#subscribers.notify(
      (set) =>
        keys.some((entryKeys) => set.includesAll(entryKeys)) ||
        (changedDomains.size > 0 && this.#entries.matching(set).some(federates)),
    )
  }
}
