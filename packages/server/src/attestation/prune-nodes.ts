import { isBanned } from '../model/attested-node.ts'
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

/**
 * Forgets nodes that expired long ago, banned ones never: a ban must outlive the certificate.
 *
 * @returns the SPIFFE IDs of the nodes that are gone, at most one batch
 */
export async function pruneNodes(options: PruneNodesOptions): Promise<readonly string[]> {
  const { state, cause, expiredBeforeSeconds, includesNonReattestable, batchSize } = options
  const candidates = []
  for (const node of state.records.nodes.values()) {
    if (candidates.length >= batchSize) break
    const isDue = node.expiresAtSeconds < expiredBeforeSeconds && !isBanned(node)
    if (isDue && (node.canReattest || includesNonReattestable)) candidates.push(node)
  }
  if (candidates.length === 0) return []
  const results = await state.store.commit(
    candidates.map((node) => ({
      cause,
      mutations: evictionOf(state, node, { unchanged: node }),
    })),
  )
  return candidates
    .filter((_, index) => results[index] === undefined)
    .map((node) => String(node.spiffeId))
}
