import type { RegistrationEntry } from '../model/registration-entry.ts'
import type { AuthorizedEntries } from './authorized-entries.ts'
import type { EntryIndexes } from './entry-indexes.ts'
import type { EntryRow } from './entry-records.ts'
import type { EntryTable } from './entry-table.ts'

/** Rows that all kept sets together may hold; beyond it the sets that were not asked for the longest are dropped. */
const maxKeptRows = 2_000_000

/** Sets that may be kept, whatever their size. */
const maxKeptClosures = 100_000

/** What {@link ClosureCache} reads. */
export interface ClosureSources {
  readonly rows: EntryTable
  readonly indexes: EntryIndexes
  readonly aliasParentPath: string
  /** Further paths to walk when a walked path is itself a node, and until when that holds. */
  readonly nodeRoots: (
    trustDomain: string,
    path: string,
  ) => { readonly roots: readonly string[]; readonly untilSeconds: number } | undefined
}

/** Where a walk starts. */
export interface Roots {
  readonly trustDomain: string
  /** The agent's own path when it has children. Its aliases are given, so the walk does not look for them again. */
  readonly own: string | undefined
  readonly aliases: readonly string[]
}

/** Everything that hangs below some paths of a trust domain. */
export class Closure {
  readonly trustDomain: string
  readonly paths: readonly string[]
  readonly key: string
  /** The size that the cache's sum has for it. */
  countedSize = 0
  readonly #own: string | undefined
  readonly #table: EntryTable
  readonly #nextVersion: () => number
  #rows: Set<EntryRow> | undefined
  #view: AuthorizedEntries | undefined
  #untilSeconds = Number.POSITIVE_INFINITY
  #isNested = false
  #lineage = 0

  constructor(roots: Roots, table: EntryTable, nextVersion: () => number) {
    this.trustDomain = roots.trustDomain
    this.paths = roots.own === undefined ? roots.aliases : [roots.own, ...roots.aliases]
    this.key = keyOf(roots)
    this.#own = roots.own
    this.#table = table
    this.#nextVersion = nextVersion
  }

  /** Whether the walk passed through another node, whose aliases then count. */
  get isNested(): boolean {
    return this.#isNested
  }

  get size(): number {
    return this.#rows?.size ?? 0
  }

  isFreshAt(nowSeconds: number): boolean {
    return this.#rows !== undefined && nowSeconds <= this.#untilSeconds
  }

  add(row: EntryRow): void {
    this.touch()
    this.#rows?.add(row)
  }

  delete(row: EntryRow): void {
    this.touch()
    this.#rows?.delete(row)
  }

  /** An entry of the set has changed in place. */
  touch(): void {
    this.#view = undefined
  }

  /** The set has to be computed anew. */
  invalidate(): void {
    this.#rows = undefined
    this.#view = undefined
  }

  /** Walks down from the roots; each path is expanded once, so cycles end and no entry comes twice. */
  compute(sources: ClosureSources): void {
    const rows = new Set<EntryRow>()
    const stack = [...this.paths]
    const expanded = new Set<string>()
    this.#untilSeconds = Number.POSITIVE_INFINITY
    this.#isNested = false
    for (let path = stack.pop(); path !== undefined; path = stack.pop()) {
      if (expanded.has(path)) continue
      expanded.add(path)
      this.#expand(path, sources, { rows, stack })
    }
    this.#rows = rows
    this.#lineage = this.#nextVersion()
    this.#view = undefined
  }

  #expand(
    path: string,
    sources: ClosureSources,
    walk: { readonly rows: Set<EntryRow>; readonly stack: string[] },
  ): void {
    // The server's own path has aliases below it, not entries that anybody gets.
    if (path !== sources.aliasParentPath) {
      for (const row of sources.indexes.children(this.trustDomain, path)) {
        const { spiffeId } = row.value
        if (spiffeId.trustDomain.name !== this.trustDomain) continue
        walk.rows.add(row)
        walk.stack.push(spiffeId.path)
      }
    }
    const node = path === this.#own ? undefined : sources.nodeRoots(this.trustDomain, path)
    if (node === undefined) return
    this.#isNested = true
    this.#untilSeconds = Math.min(this.#untilSeconds, node.untilSeconds)
    walk.stack.push(...node.roots)
  }

  view(): AuthorizedEntries {
    this.#view ??= this.#makeView(this.#rows ?? new Set())
    return this.#view
  }

  #makeView(rows: ReadonlySet<EntryRow>): AuthorizedEntries {
    const table = this.#table
    const isCurrent = (): boolean => this.#view === view
    let entries: readonly RegistrationEntry[] | undefined
    const view: AuthorizedEntries = {
      version: this.#nextVersion(),
      roots: this.key,
      lineage: this.#lineage,
      get isCurrent() {
        return isCurrent()
      },
      size: rows.size,
      entries: () => {
        entries ??= Array.from(rows, (row) => row.value)
        return entries
      },
      find: (entryId) => {
        const row = table.row(entryId)
        return row !== undefined && rows.has(row) ? row.value : undefined
      },
    }
    return view
  }
}

/** Closures that have been asked for, by their roots. */
export class ClosureCache {
  readonly #sources: ClosureSources
  /** The least recently asked for comes first. */
  readonly #byRoots = new Map<string, Closure>()
  readonly #byRoot = new Map<string, Set<Closure>>()
  /** Those that follow aliases of nodes on their way. */
  readonly #nested = new Set<Closure>()
  #keptRows = 0
  #version = 0

  constructor(sources: ClosureSources) {
    this.#sources = sources
  }

  get(roots: Roots, nowSeconds: number): Closure {
    const key = keyOf(roots)
    const closure = this.#byRoots.get(key) ?? this.#make(roots)
    this.#byRoots.delete(key)
    this.#byRoots.set(key, closure)
    if (!closure.isFreshAt(nowSeconds)) {
      closure.compute(this.#sources)
      if (closure.isNested) this.#nested.add(closure)
      else this.#nested.delete(closure)
    }
    this.#makeRoom(closure)
    return closure
  }

  /** Whether no set is kept, so that no change touches any. */
  get isEmpty(): boolean {
    return this.#byRoots.size === 0
  }

  /**
   * Closures in which a child of this path would be: found by walking up, from entry to parent. Where the way up is an alias,
   * sets that follow aliases of nodes on their way may have it too, and are left to be walked anew.
   */
  reaching(trustDomain: string, path: string): ReadonlySet<Closure> {
    const found = new Set<Closure>()
    if (this.#byRoots.size === 0) return found
    const stack = [path]
    const seen = new Set<string>()
    for (let at = stack.pop(); at !== undefined; at = stack.pop()) {
      if (seen.has(at)) continue
      seen.add(at)
      for (const closure of this.#byRoot.get(rootKey(trustDomain, at)) ?? []) found.add(closure)
      for (const { value } of this.#sources.indexes.withSpiffeId(trustDomain, at)) {
        if (value.parentId.trustDomain.name !== trustDomain) continue
        if (value.parentId.path === this.#sources.aliasParentPath) this.invalidateNested()
        else stack.push(value.parentId.path)
      }
    }
    return found
  }

  /** Sets that follow aliases of nodes on their way must be walked anew when an alias changes. */
  invalidateNested(): void {
    for (const closure of this.#nested) closure.invalidate()
  }

  invalidateAll(): void {
    for (const closure of this.#byRoots.values()) closure.invalidate()
  }

  #make(roots: Roots): Closure {
    const closure = new Closure(roots, this.#sources.rows, () => ++this.#version)
    for (const path of closure.paths) {
      const key = rootKey(roots.trustDomain, path)
      this.#byRoot.set(key, (this.#byRoot.get(key) ?? new Set()).add(closure))
    }
    return closure
  }

  #makeRoom(newest: Closure): void {
    this.#keptRows += newest.size - newest.countedSize
    newest.countedSize = newest.size
    for (const [key, closure] of this.#byRoots) {
      const fits = this.#keptRows <= maxKeptRows && this.#byRoots.size <= maxKeptClosures
      if (fits || closure === newest) return
      this.#keptRows -= closure.countedSize
      this.#byRoots.delete(key)
      this.#nested.delete(closure)
      // Changes will not find it any more: what was handed out must not pass for current.
      closure.invalidate()
      for (const path of closure.paths)
        this.#forgetRoot(rootKey(closure.trustDomain, path), closure)
    }
  }

  #forgetRoot(key: string, closure: Closure): void {
    const closures = this.#byRoot.get(key)
    closures?.delete(closure)
    if (closures?.size === 0) this.#byRoot.delete(key)
  }
}

function keyOf({ trustDomain, own, aliases }: Roots): string {
  return `${trustDomain}\n${own ?? ''}\n${aliases.join('\n')}`
}

function rootKey(trustDomain: string, path: string): string {
  return `${trustDomain}${path}`
}
