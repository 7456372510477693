import type { AppliedChange } from '../store/store.ts'

/** Changed entries that are remembered by ID; more than that, and sets are compared as a whole. */
const maxIds = 10_000

/** What changed since the last time, as {@link PendingChanges.take} gathered it. */
export interface News {
  /** Undefined: too many. */
  readonly changedIds: ReadonlySet<string> | undefined
  readonly bundleNames: readonly string[]
  /** Whether an agent's set may start elsewhere than before. */
  mayHaveMoved(agentId: string): boolean
}

/** Gathers what commits change, between one round of telling and the next. */
export class PendingChanges {
  readonly #aliasVersion: () => number
  #seenAliasVersion = 0
  #ids: Set<string> | undefined = new Set()
  #agents = new Set<string>()
  #bundles = new Set<string>()
  #isEmpty = true

  constructor(aliasVersion: () => number) {
    this.#aliasVersion = aliasVersion
  }

  get isEmpty(): boolean {
    return this.#isEmpty
  }

  add(changes: readonly AppliedChange[]): void {
    for (const change of changes) {
      switch (change.kind) {
        case 'entry':
          this.#isEmpty = false
          this.#addId(change.key)
          // An agent's first child makes its set start at the agent too.
          if (change.value) this.#agents.add(change.value.parentId.toString())
          break
        case 'node':
          this.#isEmpty = false
          this.#agents.add(change.key)
          break
        case 'bundle':
          this.#isEmpty = false
          this.#bundles.add(change.key)
          break
        default:
      }
    }
  }

  /** What has been gathered; gathering begins anew. */
  take(): News {
    const aliasVersion = this.#aliasVersion()
    const isAliasChanged = aliasVersion !== this.#seenAliasVersion
    const agents = this.#agents
    const news: News = {
      changedIds: this.#ids,
      bundleNames: [...this.#bundles],
      mayHaveMoved: (agentId) => isAliasChanged || agents.has(agentId),
    }
    this.#seenAliasVersion = aliasVersion
    this.#ids = new Set()
    this.#agents = new Set()
    this.#bundles = new Set()
    this.#isEmpty = true
    return news
  }

  #addId(id: string): void {
    this.#ids?.add(id)
    if ((this.#ids?.size ?? 0) > maxIds) this.#ids = undefined
  }
}
