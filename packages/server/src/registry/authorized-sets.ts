import type { Clock } from '@mini-spire/runtime/clock'
import { isBanned } from '../model/attested-node.ts'
import type { RegistrationEntry } from '../model/registration-entry.ts'
import { isSameSpan } from '../packed/spans.ts'
import type { EntryLayout } from '../store/format/entry-layout.ts'
import type { AuthorizedEntries } from './authorized-entries.ts'
import { type Closure, ClosureCache } from './closure.ts'
import type { EntryIndexes } from './entry-indexes.ts'
import type { EntryRow } from './entry-records.ts'
import type { EntryTable } from './entry-table.ts'
import { PairIndex } from './multi-map.ts'
import type { NodeRegistry } from './nodes.ts'
import { SelectorSet } from './set-match.ts'
import { splitSpiffeId } from './split-spiffe-id.ts'

/** The parent path that makes an entry a node alias: it names nodes by their selectors and is itself given to nobody. */
const aliasParentPath = '/spire/server'

/** The same as records have it: after its length. */
const encodedAliasParent = Buffer.from(`\r${aliasParentPath}`)

/** What {@link AuthorizedSets} reads. */
export interface AuthorizedSources {
  readonly rows: EntryTable
  readonly indexes: EntryIndexes
  readonly nodes: NodeRegistry
  readonly clock: Clock
}

/**
 * Authorized sets of agents, kept up to date change by change.
 *
 * A set is computed at the first question and then shared by all agents that start from the same paths (a group of nodes with
 * one alias costs one set). A new or removed entry without children is added to or taken out of the sets it belongs to,
 * found by walking from its parent upwards; what reaches further makes those sets be computed anew at the next question.
 */
export class AuthorizedSets {
  readonly #sources: AuthorizedSources
  readonly #aliases = new PairIndex<RegistrationEntry>()
  #aliasCount = 0
  #aliasVersion = 0
  readonly #closures: ClosureCache

  constructor(sources: AuthorizedSources) {
    this.#sources = sources
    this.#closures = new ClosureCache({
      rows: sources.rows,
      indexes: sources.indexes,
      aliasParentPath,
      nodeRoots: (trustDomain, path) => this.#nodeRoots(`spiffe://${trustDomain}${path}`),
    })
  }

  /** Another number whenever an alias was added, changed or removed: any agent's set may then start elsewhere. */
  get aliasVersion(): number {
    return this.#aliasVersion
  }

  authorizedFor(agentId: string): AuthorizedEntries {
    const id = splitSpiffeId(agentId)
    if (id === undefined) return nobody
    const nowSeconds = this.#sources.clock.nowMs() / 1000
    const aliases = this.#nodeRoots(agentId)?.roots ?? []
    const own = this.#sources.indexes.hasChildren(id.trustDomain, id.path) ? id.path : undefined
    const { trustDomain } = id
    return this.#closures.get({ trustDomain, own, aliases }, nowSeconds).view()
  }

  /** @param layout of the row's record */
  entryCreated(row: EntryRow, layout: EntryLayout): void {
    const isAliasRow = hasAliasParent(layout)
    // While a store is read nobody has asked yet: then no record need be made an object.
    if (!isAliasRow && this.#closures.isEmpty) return
    const entry = row.value
    if (isAliasRow) {
      this.#addAlias(row)
      this.#closures.invalidateNested()
      return
    }
    for (const closure of this.#affectedBy(entry)) {
      if (this.#isLeaf(entry)) closure.add(row)
      else closure.invalidate()
    }
  }

  entryDeleted(row: EntryRow): void {
    const entry = row.value
    if (isAlias(entry)) {
      this.#deleteAlias(row, entry)
      this.#closures.invalidateNested()
      return
    }
    for (const closure of this.#affectedBy(entry)) {
      if (this.#isLeaf(entry)) closure.delete(row)
      else closure.invalidate()
    }
  }

  entryUpdated(row: EntryRow, before: RegistrationEntry): void {
    const entry = row.value
    if (isAlias(before) || isAlias(entry)) {
      if (isAlias(before)) this.#deleteAlias(row, before)
      if (isAlias(entry)) this.#addAlias(row)
      this.#closures.invalidateNested()
    }
    const stays = before.parentId.equals(entry.parentId) && before.spiffeId.equals(entry.spiffeId)
    for (const closure of this.#affectedBy(entry)) {
      if (stays) closure.touch()
      else closure.invalidate()
    }
    if (stays) return
    for (const closure of this.#affectedBy(before)) closure.invalidate()
  }

  nodeChanged(agentId: string): void {
    const id = splitSpiffeId(agentId)
    if (id === undefined) return
    for (const closure of this.#closures.reaching(id.trustDomain, id.path)) closure.invalidate()
  }

  #affectedBy(entry: RegistrationEntry): Iterable<Closure> {
    return this.#closures.reaching(entry.parentId.trustDomain.name, entry.parentId.path)
  }

  /** Whether nothing hangs below an entry, neither children nor the aliases of a node of its name. */
  #isLeaf({ spiffeId }: RegistrationEntry): boolean {
    const { trustDomain, path } = spiffeId
    return (
      !this.#sources.indexes.hasChildren(trustDomain.name, path) &&
      (this.#sources.nodes.size === 0 ||
        this.#sources.nodes.find(spiffeId.toString()) === undefined)
    )
  }

  /** The alias paths of a node, and until when they count; undefined when it is unknown, banned or expired. */
  #nodeRoots(
    agentId: string,
  ): { readonly roots: readonly string[]; readonly untilSeconds: number } | undefined {
    const node = this.#aliasCount > 0 ? this.#sources.nodes.find(agentId) : undefined
    if (node === undefined || isBanned(node)) return undefined
    if (node.expiresAtSeconds < this.#sources.clock.nowMs() / 1000) return undefined
    const roots = new Set<string>()
    const selectors = new SelectorSet(node.selectors)
    for (const { type, value } of node.selectors) {
      for (const { value: alias } of this.#aliases.get(type, value)) {
        if (alias.spiffeId.isMemberOf(node.spiffeId.trustDomain) && isSubset(alias, selectors)) {
          roots.add(alias.spiffeId.path)
        }
      }
    }
    return { roots: [...roots].sort(), untilSeconds: node.expiresAtSeconds }
  }

  /** An alias is found by its first selector: a node that lacks it lacks the alias. */
  #addAlias(row: EntryRow): void {
    const first = row.value.selectors[0]
    if (first) this.#aliases.add(first.type, first.value, row)
    // Walks before the first alias did not look for nodes, so they do not know which they passed.
    if (this.#aliasCount === 0) this.#closures.invalidateAll()
    this.#aliasCount++
    this.#aliasVersion++
  }

  #deleteAlias(row: EntryRow, entry: RegistrationEntry): void {
    const first = entry.selectors[0]
    if (first) this.#aliases.delete(first.type, first.value, row)
    this.#aliasCount--
    this.#aliasVersion++
  }
}

function isAlias(entry: RegistrationEntry): boolean {
  return entry.parentId.path === aliasParentPath
}

function hasAliasParent({ bytes, parentPathStart, parentEnd }: EntryLayout): boolean {
  const { length } = encodedAliasParent
  return isSameSpan(bytes, parentPathStart, parentEnd, encodedAliasParent, 0, length)
}

function isSubset(alias: RegistrationEntry, selectors: SelectorSet): boolean {
  return selectors.isMatchedBy(alias.selectors, 'subset')
}

const nobody: AuthorizedEntries = Object.freeze({
  version: 0,
  roots: '',
  lineage: 0,
  isCurrent: true,
  size: 0,
  entries: () => [],
  find: () => undefined,
})
