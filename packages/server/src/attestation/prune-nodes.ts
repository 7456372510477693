import { isBanned } from '../model/attested-node.ts'
import type { RegistrationEntry } from '../model/registration-entry.ts'
import type { Cause } from '../store/store.ts'
import type { AttestationState } from './attestation-state.ts'
import { evictionOf } from './evict-agent.ts'

/** Which nodes are pruned, and how many at a time. */
export interface PruneNodesOptions {
  readonly state: AttestationState
  readonly cause: Cause
  /** Unix seconds: nodes whose certificate expired before this instant. */
  readonly expiredBeforeSeconds: number
  /** Also nodes that cannot attest again without an operator. */
  readonly includesNonReattestable: boolean
  readonly batchSize: number
}

/** What a pruning removed. */
export interface PrunedNodes {
  readonly spiffeIds: readonly string[]
  readonly aliases: readonly RegistrationEntry[]
}

/**
 * Forgets nodes that expired long ago, banned ones never: a ban must outlive the certificate.
 *
 * @returns what is gone: the SPIFFE IDs of at most one batch of nodes, and the alias entries of their join tokens
 */
export async function pruneNodes(options: PruneNodesOptions): Promise<PrunedNodes> {
  const { state, cause, expiredBeforeSeconds, includesNonReattestable, batchSize } = options
  const candidates = []
  for (const node of state.records.nodes.values()) {
    if (candidates.length >= batchSize) break
    const isDue = node.expiresAtSeconds < expiredBeforeSeconds && !isBanned(node)
    if (isDue && (node.canReattest || includesNonReattestable)) candidates.push(node)
  }
  if (candidates.length === 0) return { spiffeIds: [], aliases: [] }
  const evictions = candidates.map((node) => evictionOf(state, node, { unchanged: node }))
  const refusals = await state.store.commit(
    evictions.map(({ mutations }) => ({ cause, mutations })),
  )
  const isGone = (_: unknown, index: number): boolean => refusals[index] === undefined
  return {
    spiffeIds: candidates.filter(isGone).map(({ spiffeId }) => String(spiffeId)),
    aliases: evictions.filter(isGone).flatMap(({ aliases }) => aliases),
  }
}
