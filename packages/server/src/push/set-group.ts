import type { TrustDomain } from '@mini-spire/sdk/spiffe-id'
import type { AuthorizedEntries } from '../registry/authorized-entries.ts'
import type { BundleRegistry } from '../registry/bundles.ts'
import type { PageCache } from '../registry/page-cache.ts'
import type { Position } from '../store/store.ts'
import { gatherBundles } from './bundle-sets.ts'
import { ChangeHistory, type StateMark } from './change-history.ts'
import { HeldSet } from './held-set.ts'
import type { BundleSet, PushEncoder, SetChange, SetState } from './push-encoder.ts'

/** Entries in one message: those of a snapshot that has more go out in several. */
export const entriesPerMessage = 500

/** A change of more entries than this, or of most of the set, is not kept: a snapshot says it as well. */
const maxDeltaEntries = 2_000

/** What groups are made of. */
export interface SetGroupSources {
  readonly trustDomain: TrustDomain
  readonly bundles: Pick<BundleRegistry, 'find'>
  readonly encoder: PushEncoder
  /** Encoded snapshots, shared by agents that ask for the same. */
  readonly pages: PageCache
}

/** What changed since a group was last brought up to date. */
export interface GroupNews {
  readonly view: AuthorizedEntries
  /** Undefined: any entry may have changed. */
  readonly changedIds: Iterable<string> | undefined
  readonly areBundlesChanged: boolean
  readonly position: Position
}

/** What an agent says it holds when it opens a stream. */
export interface HeldState {
  /** With an empty epoch: the set came from elsewhere, its digest is made with the empty epoch. */
  readonly position: Position
  /** Hexadecimal. */
  readonly digest: string
  /** Hexadecimal; empty: no bundles. */
  readonly bundlesDigest: string
}

/** Agents with one authorized set: its newest state, and the last changes that led to it. */
export class SetGroup {
  readonly roots: string
  readonly #sources: SetGroupSources
  readonly #set: HeldSet
  readonly #history = new ChangeHistory()
  #view: AuthorizedEntries
  #bundles: BundleSet
  #state: SetState
  #heartbeat: Uint8Array | undefined

  private constructor(sources: SetGroupSources, set: HeldSet, news: GroupNews) {
    this.roots = news.view.roots
    this.#sources = sources
    this.#set = set
    this.#view = news.view
    this.#set.change(news.view, undefined)
    this.#bundles = this.#gatherBundles()
    this.#state = this.#stateAt(news.position)
  }

  /** @param news asked for once the set has been read, which takes several turns of the event loop when it is large */
  static async create(
    sources: SetGroupSources,
    view: AuthorizedEntries,
    news: () => GroupNews,
  ): Promise<SetGroup> {
    return new SetGroup(sources, await HeldSet.build(view), news())
  }

  /** What the group's members were told last. */
  get view(): AuthorizedEntries {
    return this.#view
  }

  get size(): number {
    return this.#set.size
  }

  get state(): SetState {
    return this.#state
  }

  /** The number of the newest state. */
  get number(): number {
    return this.#history.number
  }

  /** The number again, as a cache of pages asks for it. */
  get version(): number {
    return this.#history.number
  }

  /** Whether a trust domain's bundle travels with this set. */
  carries(trustDomain: string): boolean {
    return trustDomain === this.#sources.trustDomain.name || this.#set.federatesWith(trustDomain)
  }

  /** Brings the group up to date; returns whether there was anything new. */
  advance({ view, changedIds, areBundlesChanged, position }: GroupNews): boolean {
    const from = this.#mark()
    const change = this.#set.change(view, changedIds)
    this.#view = view
    const isSetChanged = change.changed.length + change.removedIds.length > 0
    const before = this.#bundles
    if (isSetChanged || areBundlesChanged) this.#bundles = this.#gatherBundles()
    const hasNewBundles = Buffer.compare(before.digest, this.#bundles.digest) !== 0
    if (!isSetChanged && !hasNewBundles) return false
    this.#state = this.#stateAt(position)
    this.#heartbeat = undefined
    if (change.changed.length + change.removedIds.length > maxDeltaEntries) this.#history.skip()
    else this.#history.push({ from, messages: this.#deltaMessages(change, hasNewBundles) })
    return true
  }

  /** The messages that lead from a state to the next; undefined when a snapshot has to. */
  next(number: number): readonly Uint8Array[] | undefined {
    return this.#history.next(number)
  }

  /** How an agent names a state: the newest one, or one that changes are kept from. */
  markOf(number: number): StateMark {
    return this.#history.markOf(number) ?? this.#mark()
  }

  /** Where an agent stands: the number of the state it holds, and whether its bundles are those of it; undefined: nowhere. */
  find(held: HeldState): { readonly number: number; readonly hasBundles: boolean } | undefined {
    const { revision, epoch } = held.position
    const isOfThisEpoch = epoch === this.#state.position.epoch
    if (!isOfThisEpoch && epoch !== '') return undefined
    const newest = Buffer.from(this.#set.digest(epoch)).toString('hex')
    if (newest === held.digest)
      return { number: this.number, hasBundles: held.bundlesDigest === this.#mark().bundlesDigest }
    const older = isOfThisEpoch ? this.#history.find({ ...held, revision }) : undefined
    return older === undefined ? undefined : { number: older, hasBundles: true }
  }

  /** Everything, message by message, as it was when this was called. */
  snapshot(): { readonly number: number; readonly messages: Iterable<Uint8Array> } {
    const messages = this.#snapshotMessages({
      number: this.number,
      state: this.#state,
      bundles: this.#bundles,
      entries: this.#set.entries(),
    })
    return { number: this.number, messages }
  }

  /** The bundles alone, for who has the entries. */
  bundlesMessage(): Uint8Array {
    return this.#sources.encoder.bundles(this.#state, this.#bundles, false)
  }

  heartbeat(): Uint8Array {
    this.#heartbeat ??= this.#sources.encoder.heartbeat(this.#state)
    return this.#heartbeat
  }

  #mark(): StateMark {
    return {
      revision: this.#state.position.revision,
      digest: Buffer.from(this.#state.digest).toString('hex'),
      bundlesDigest: Buffer.from(this.#bundles.digest).toString('hex'),
    }
  }

  #stateAt(position: Position): SetState {
    return { position, count: this.#set.size, digest: this.#set.digest(position.epoch) }
  }

  #gatherBundles(): BundleSet {
    const { trustDomain, bundles, encoder } = this.#sources
    return gatherBundles(bundles, [trustDomain.name, ...this.#set.federatedNames()], encoder)
  }

  #deltaMessages(change: SetChange, hasNewBundles: boolean): readonly Uint8Array[] {
    const { encoder } = this.#sources
    const messages: Uint8Array[] = []
    const isEmpty = change.changed.length + change.removedIds.length === 0
    if (hasNewBundles) messages.push(encoder.bundles(this.#state, this.#bundles, !isEmpty))
    let { removedIds } = change
    for (let start = 0; !isEmpty && (start === 0 || start < change.changed.length); ) {
      const changed = change.changed.slice(start, start + entriesPerMessage)
      start += entriesPerMessage
      const more = start < change.changed.length
      messages.push(encoder.delta(this.#state, { changed, removedIds }, more))
      removedIds = []
    }
    return messages
  }

  *#snapshotMessages(then: {
    readonly number: number
    readonly state: SetState
    readonly bundles: BundleSet
    readonly entries: ReturnType<HeldSet['entries']>
  }): Generator<Uint8Array, void> {
    const { encoder, pages } = this.#sources
    const { number, state, entries } = then
    yield encoder.bundles(state, then.bundles, true)
    for (let start = 0; start === 0 || start < entries.length; start += entriesPerMessage) {
      const end = start + entriesPerMessage
      const encode = (): readonly Uint8Array[] => [
        encoder.snapshot(state, entries.slice(start, end), end < entries.length),
      ]
      yield* number === this.number ? pages.get(this, start, encode) : encode()
    }
  }
}
