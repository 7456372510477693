import { type Clock, sleep } from '@mini-spire/runtime/clock'
import { isBanned } from '../model/attested-node.ts'
import type { EntryRegistry } from '../registry/entries.ts'
import type { NodeRegistry } from '../registry/nodes.ts'
import type { Position } from '../store/store.ts'
import type { PushHub } from './push-hub.ts'

/** Nodes looked at in one turn of the event loop. */
const nodesPerTurn = 500

/** Whether an agent has everything: it says so; it listens and has not said so; or it does not listen. */
export type AgentProgress = 'acknowledged' | 'behind' | 'not-connected'

/** What {@link findAgents} reads. */
export interface FindAgentsSources {
  readonly entries: Pick<EntryRegistry, 'authorizedFor'>
  readonly nodes: Pick<NodeRegistry, 'values'>
  readonly clock: Clock
}

/** The agents that may serve any of these entries: those whose node is neither banned nor expired. */
export async function findAgents(
  { entries, nodes, clock }: FindAgentsSources,
  entryIds: readonly string[],
): Promise<readonly string[]> {
  const nowSeconds = clock.nowMs() / 1000
  const found: string[] = []
  const all = [...nodes.values()].filter(
    (node) => !isBanned(node) && node.expiresAtSeconds >= nowSeconds,
  )
  for (let start = 0; start < all.length && entryIds.length > 0; start += nodesPerTurn) {
    if (start > 0) await new Promise((resolve) => setImmediate(resolve))
    for (const { spiffeId } of all.slice(start, start + nodesPerTurn)) {
      const set = entries.authorizedFor(spiffeId.toString())
      if (entryIds.some((id) => set.find(id))) found.push(spiffeId.toString())
    }
  }
  return found
}

/** Options of {@link awaitAgents}. */
export interface AwaitAgentsOptions {
  readonly hub: PushHub
  /** What has to be acknowledged. */
  readonly position: Position
  readonly agentIds: readonly string[]
  readonly timeoutMs: number
  readonly clock: Clock
  /** Aborts when nobody waits for the answer any more. */
  readonly signal: AbortSignal
}

/** Waits until all these agents have acknowledged a position or the time is up, and says how each stands then. */
export async function awaitAgents(
  options: AwaitAgentsOptions,
): Promise<ReadonlyMap<string, AgentProgress>> {
  const { hub, position, clock, timeoutMs, signal } = options
  hub.flush()
  const waiting = new Set(options.agentIds)
  const done = new AbortController()
  const check = (): void => {
    for (const agentId of waiting) {
      const member = hub.find(agentId)
      if (member && hub.isToldUpTo(member, position.revision)) waiting.delete(agentId)
    }
    if (waiting.size === 0) done.abort()
  }
  const stop = hub.onProgress(check)
  try {
    check()
    await sleep(clock, timeoutMs, AbortSignal.any([signal, done.signal]))
  } finally {
    stop()
  }
  const progress = (agentId: string): AgentProgress => {
    if (!waiting.has(agentId)) return 'acknowledged'
    return hub.find(agentId) ? 'behind' : 'not-connected'
  }
  return new Map(options.agentIds.map((agentId) => [agentId, progress(agentId)]))
}
