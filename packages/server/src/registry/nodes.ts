import type { AttestedNode } from '../model/attested-node.ts'
import { isBanned } from '../model/attested-node.ts'
import { RecordTable } from './record-table.ts'
import type { PageRequest } from './row-pages.ts'
import { type SelectorMatch, SelectorSet } from './set-match.ts'

/** Which attested nodes are wanted: all conditions that are given must hold. */
export interface NodeFilter {
  /** Empty: any. */
  readonly attestationType?: string | undefined
  readonly selectors?: SelectorMatch | undefined
  readonly banned?: boolean | undefined
  readonly canReattest?: boolean | undefined
  /** Unix seconds: only nodes whose certificate expires before this instant. */
  readonly expiresBeforeSeconds?: number | undefined
}

/** A filtered page of nodes. */
export interface ListNodesRequest extends PageRequest {
  readonly filter?: NodeFilter | undefined
}

/** A page of nodes in the order in which they first attested. */
export interface NodePage {
  readonly nodes: readonly AttestedNode[]
  readonly nextPageToken: string
}

/** The attested nodes by SPIFFE ID. Banned and expired ones are there like others. */
export class NodeRegistry {
  readonly #table = new RecordTable<AttestedNode>('agents')

  get size(): number {
    return this.#table.size
  }

  /** @param id SPIFFE ID of the agent, as string */
  find(id: string): AttestedNode | undefined {
    return this.#table.find(id)
  }

  /** Every node, in creation order. */
  values(): Iterable<AttestedNode> {
    return this.#table.values()
  }

  count(filter: NodeFilter = {}): number {
    return this.#table.count(nodePredicate(filter))
  }

  /**
   * A page of the nodes that pass the filter.
   *
   * @throws {RegistryError} `ERR_PAGE_TOKEN`
   */
  list(request: ListNodesRequest = {}): NodePage {
    const page = this.#table.page(request, nodePredicate(request.filter ?? {}))
    return { nodes: page.items, nextPageToken: page.nextPageToken }
  }

  /** For the registry: applies one committed change. */
  apply(id: string, value: AttestedNode | undefined, ordinal: number, epoch: string): void {
    this.#table.setEpoch(epoch)
    this.#table.apply(id, value, ordinal)
  }
}

type Condition = (node: AttestedNode) => boolean

function nodePredicate(filter: NodeFilter): Condition | undefined {
  const { attestationType, selectors, banned, canReattest, expiresBeforeSeconds } = filter
  const conditions: Condition[] = []
  if (attestationType) conditions.push((node) => node.attestationType === attestationType)
  if (banned !== undefined) conditions.push((node) => isBanned(node) === banned)
  if (canReattest !== undefined) conditions.push((node) => node.canReattest === canReattest)
  if (expiresBeforeSeconds !== undefined) {
    conditions.push((node) => node.expiresAtSeconds < expiresBeforeSeconds)
  }
  if (selectors) {
    const requested = new SelectorSet(selectors.selectors)
    conditions.push((node) => requested.isMatchedBy(node.selectors, selectors.match))
  }
  if (conditions.length === 0) return undefined
  return (node) => conditions.every((condition) => condition(node))
}
