import { Bag, type BagMember } from '@mini-spire/runtime/bag'
import type { SelectorSet } from '../model/selector-set.ts'

/**
 * One open stream's place in the cache. It holds no queue: at most it is marked, and its owner then reads the latest state.
 */
export class Subscription implements BagMember {
  bagPlace = 0
  readonly #leave: (subscription: Subscription) => void
  #isMarked = false
  #wake: (() => void) | undefined

  constructor(leave: (subscription: Subscription) => void) {
    this.#leave = leave
  }

  /** Says that what the owner would read has changed. */
  mark(): void {
    this.#isMarked = true
    this.#wake?.()
  }

  /** Waits for a change since the last call. Resolves to whether there was one (false: aborted). */
  changed(signal: AbortSignal): Promise<boolean> {
    if (signal.aborted) return Promise.resolve(false)
    if (this.#isMarked) {
      this.#isMarked = false
      return Promise.resolve(true)
    }
    return new Promise((resolve) => {
      const finish = (): void => {
        this.#wake = undefined
        signal.removeEventListener('abort', finish)
        const wasMarked = this.#isMarked
        this.#isMarked = false
        resolve(wasMarked && !signal.aborted)
      }
      this.#wake = finish
      signal.addEventListener('abort', finish, { once: true })
    })
  }

  /** Gives the place up. */
  close(): void {
    this.#leave(this)
  }
}

/** So many groups are kept although nobody is in them: workloads that ask again and again would have theirs made anew each time. */
const keptGroups = 64

interface Group {
  readonly set: SelectorSet
  readonly members: Bag<Subscription>
}

/** Who is to be told of changes, grouped by what they look like: thousands of equal workloads are matched once. */
export class Subscribers {
  readonly #groups = new Map<string, Group>()
  #size = 0

  get size(): number {
    return this.#size
  }

  join(set: SelectorSet): Subscription {
    const group = this.#groups.get(set.key) ?? { set, members: new Bag<Subscription>() }
    this.#groups.set(set.key, group)
    const subscription = new Subscription((leaver) => this.#leave(group, leaver))
    group.members.add(subscription)
    this.#size++
    return subscription
  }

  /** The selector sets that somebody waits with. */
  *sets(): IterableIterator<SelectorSet> {
    for (const { set, members } of this.#groups.values()) if (members.size > 0) yield set
  }

  /** Marks the subscriptions of every set that this holds for. */
  notify(isAffected: (set: SelectorSet) => boolean): void {
    for (const { set, members } of this.#groups.values())
      if (members.size > 0 && isAffected(set)) for (const member of members.members()) member.mark()
  }

  #leave(group: Group, leaver: Subscription): void {
    if (!group.members.delete(leaver)) return
    this.#size--
    if (group.members.size > 0 || this.#groups.size <= keptGroups) return
    if (this.#groups.get(group.set.key) === group) this.#groups.delete(group.set.key)
  }
}
