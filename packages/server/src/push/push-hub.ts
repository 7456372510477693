import type { Clock } from '@mini-spire/runtime/clock'
import type { TrustDomain } from '@mini-spire/sdk/spiffe-id'
import type { EntryRegistry } from '../registry/entries.ts'
import { PageCache } from '../registry/page-cache.ts'
import type { AppliedChange, Position } from '../store/store.ts'
import { Allowances } from './allowances.ts'
import { PendingChanges } from './pending-changes.ts'
import type { PushEncoder } from './push-encoder.ts'
import { PushError } from './push-error.ts'
import { SetGroup, type SetGroupSources } from './set-group.ts'

/** The least time between two rounds of telling; what changes meanwhile is told together. */
const minGapMs = 10

/** After a round the loop is others' for this many times as long as the round took. */
const gapMultiple = 4

/** A group that nobody is in is kept up to date for so long: its agents come back, on another connection. */
const idleMs = 60_000

/** Entries in all groups together; beyond it agents have to poll. */
const defaultMaxEntries = 2_000_000

/** What encoded snapshots may take in memory. */
const maxSnapshotBytes = 32 * 1024 * 1024

/** Streams one agent may open: after a burst, one every two seconds. */
const openings = { burst: 10, perSecond: 0.5 } as const

/** Snapshots one agent may have: after a burst, one every ten seconds. */
const snapshots = { burst: 10, perSecond: 0.1 } as const

/** Options of {@link PushHub}. */
export interface PushHubOptions {
  readonly trustDomain: TrustDomain
  readonly entries: Pick<EntryRegistry, 'authorizedFor' | 'aliasVersion'>
  readonly bundles: SetGroupSources['bundles']
  /** The newest position of the store. */
  readonly position: () => Position
  readonly encoder: PushEncoder
  readonly clock: Clock
  /** @default 2000000 */
  readonly maxEntries?: number
}

/** One agent's stream, as the hub sees it. */
export interface Member {
  readonly agentId: string
  /** The state of its group that it holds for sure; -1: none. */
  readonly ackedNumber: number
  /** The revision of that state. */
  readonly ackedRevision: number
  /** The group it is in; undefined while it joins one. */
  group: SetGroup | undefined
  /** There is something new for it, or it is to leave its group. */
  wake(): void
  /** Ends the stream. */
  end(reason: PushError): void
}

interface GroupState {
  readonly members: Set<Member>
  /** One that was in it: whom to ask for when nobody is. */
  lastAgentId: string
  idleSinceMs: number
}

/**
 * Knows which agents listen, and keeps what they are to be told up to date.
 *
 * Agents with the same set form a group, for which each change is found, digested and encoded once. A member is a number (the
 * state it was sent last); that it is slow costs nothing, and that it is fast has no say in what others get.
 */
export class PushHub {
  readonly openings: Allowances
  readonly snapshots: Allowances
  readonly #options: PushHubOptions
  readonly #sources: SetGroupSources
  readonly #members = new Map<string, Member>()
  readonly #groups = new Map<string, Promise<SetGroup>>()
  /** Those that have been built, with their members. */
  readonly #ready = new Map<SetGroup, GroupState>()
  readonly #pending: PendingChanges
  readonly #listeners = new Set<() => void>()
  #isScheduled = false
  #notBeforeMs = 0
  /** Everything up to here has been looked at. */
  #toldRevision = 0

  constructor(options: PushHubOptions) {
    const { trustDomain, bundles, encoder, entries, clock } = options
    this.#options = options
    this.#sources = { trustDomain, bundles, encoder, pages: new PageCache(maxSnapshotBytes) }
    this.#pending = new PendingChanges(() => entries.aliasVersion)
    this.openings = new Allowances({ ...openings, clock })
    this.snapshots = new Allowances({ ...snapshots, clock })
  }

  /** How many agents listen. */
  get size(): number {
    return this.#members.size
  }

  /** The stream of an agent, if it has one. */
  find(agentId: string): Member | undefined {
    return this.#members.get(agentId)
  }

  /** Takes in what was just committed. Costs next to nothing while nobody listens. */
  changed(changes: readonly AppliedChange[]): void {
    if (this.#groups.size === 0) return
    this.#pending.add(changes)
    this.#schedule()
  }

  /** Makes an agent's stream the one it has; the one it had ends. */
  enter(member: Member): void {
    this.#members
      .get(member.agentId)
      ?.end(new PushError('ERR_PUSH_REPLACED', 'the agent has opened another stream'))
    this.#members.set(member.agentId, member)
  }

  /**
   * Puts a member into the group of its set as it is now.
   *
   * @throws {PushError} `ERR_PUSH_FULL`
   */
  async join(member: Member): Promise<SetGroup> {
    for (;;) {
      this.flush()
      const view = this.#options.entries.authorizedFor(member.agentId)
      const group = await (this.#groups.get(view.roots) ?? this.#build(member.agentId, view.roots))
      // The set may have become another while a large one was read.
      if (this.#options.entries.authorizedFor(member.agentId).roots !== group.roots) continue
      const state = this.#ready.get(group)
      if (!state) continue
      state.members.add(member)
      state.lastAgentId = member.agentId
      member.group = group
      return group
    }
  }

  /** Takes a member out of its group and out of sight. */
  leave(member: Member): void {
    if (this.#members.get(member.agentId) === member) this.#members.delete(member.agentId)
    this.#leaveGroup(member)
  }

  /** Brings all groups up to date at once. */
  flush(): void {
    if (this.#pending.isEmpty) {
      this.#toldRevision = this.#options.position().revision
      return
    }
    const startedMs = performance.now()
    const position = this.#options.position()
    const news = this.#pending.take()
    for (const member of [...this.#members.values()]) {
      if (news.mayHaveMoved(member.agentId)) this.#checkMember(member)
    }
    for (const [group, state] of [...this.#ready]) {
      const areBundlesChanged = news.bundleNames.some((name) => group.carries(name))
      if (group.view.isCurrent && !areBundlesChanged) continue
      const view = this.#viewOf(group, state)
      if (view === undefined) {
        this.#drop(group)
        continue
      }
      const { changedIds } = news
      if (!group.advance({ view, changedIds, areBundlesChanged, position })) continue
      for (const member of state.members) member.wake()
    }
    this.#toldRevision = position.revision
    const { clock } = this.#options
    this.#notBeforeMs =
      clock.nowMs() + Math.max(minGapMs, gapMultiple * (performance.now() - startedMs))
    this.progressed()
  }

  /** Whether what an agent has acknowledged includes everything up to this revision. */
  isToldUpTo({ group, ackedNumber, ackedRevision }: Member, revision: number): boolean {
    if (group === undefined || ackedNumber < 0) return false
    if (ackedRevision >= revision) return true
    return ackedNumber === group.number && this.#toldRevision >= revision
  }

  /** Calls back whenever an agent has come or acknowledged, until the result is called. */
  onProgress(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** An agent has come or acknowledged. */
  progressed(): void {
    for (const listener of this.#listeners) listener()
  }

  #schedule(): void {
    if (this.#isScheduled) return
    this.#isScheduled = true
    const { clock } = this.#options
    const run = (): void => {
      this.#isScheduled = false
      this.flush()
    }
    const waitMs = this.#notBeforeMs - clock.nowMs()
    if (waitMs > 0) clock.setTimer(waitMs, run)
    else setImmediate(run)
  }

  /** A member whose set starts elsewhere by now leaves its group; its stream joins the other. */
  #checkMember(member: Member): void {
    const { group } = member
    if (!group) return
    if (this.#options.entries.authorizedFor(member.agentId).roots === group.roots) return
    this.#leaveGroup(member)
    member.wake()
  }

  /** The group's set now, as its members have it; undefined when there is nobody to ask for. */
  #viewOf(group: SetGroup, { members, lastAgentId }: GroupState): SetGroup['view'] | undefined {
    const { entries } = this.#options
    for (const member of members) {
      const view = entries.authorizedFor(member.agentId)
      if (view.roots === group.roots) return view
      this.#checkMember(member)
    }
    const view = entries.authorizedFor(lastAgentId)
    return view.roots === group.roots ? view : undefined
  }

  #build(agentId: string, roots: string): Promise<SetGroup> {
    this.#makeRoom()
    const { entries, position } = this.#options
    const news = () => ({
      view: entries.authorizedFor(agentId),
      changedIds: undefined,
      areBundlesChanged: true,
      position: position(),
    })
    const view = entries.authorizedFor(agentId)
    const building = SetGroup.create(this.#sources, view, news).then(
      (group) => {
        // Built for a set that has become another meanwhile, it is nobody's.
        if (group.roots !== roots) this.#groups.delete(roots)
        else {
          this.#ready.set(group, { members: new Set(), lastAgentId: agentId, idleSinceMs: 0 })
          this.#dropWhenIdle(group)
        }
        return group
      },
      (error: unknown) => {
        this.#groups.delete(roots)
        throw error
      },
    )
    this.#groups.set(roots, building)
    return building
  }

  #leaveGroup(member: Member): void {
    const { group } = member
    member.group = undefined
    if (!group) return
    const state = this.#ready.get(group)
    state?.members.delete(member)
    if (state?.members.size === 0) this.#dropWhenIdle(group)
  }

  #dropWhenIdle(group: SetGroup): void {
    const { clock } = this.#options
    const state = this.#ready.get(group)
    if (state) state.idleSinceMs = clock.nowMs()
    clock.setTimer(idleMs, () => {
      if (state?.members.size === 0 && clock.nowMs() - state.idleSinceMs >= idleMs)
        this.#drop(group)
    })
  }

  /** A group that is gone already has left its place to another of the same roots. */
  #drop(group: SetGroup): void {
    if (this.#ready.delete(group)) this.#groups.delete(group.roots)
  }

  #makeRoom(): void {
    const max = this.#options.maxEntries ?? defaultMaxEntries
    let total = 0
    for (const group of this.#ready.keys()) total += group.size
    if (total < max) return
    for (const [group, { members }] of this.#ready) {
      if (members.size > 0) continue
      this.#drop(group)
      total -= group.size
    }
    if (total >= max)
      throw new PushError('ERR_PUSH_FULL', `agents listen for ${total} entries already: poll`)
  }
}
