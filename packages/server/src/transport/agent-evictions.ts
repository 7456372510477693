import type { Clock } from '@mini-spire/runtime/clock'
import type { Peer } from '@mini-spire/runtime/grpc/call-context'
import { type AttestedNode, isBanned } from '../model/attested-node.ts'
import type { AppliedChange } from '../store/store.ts'

/**
 * How long a connection with a certificate that is no longer current may finish what it has under way, such as the very
 * attestation that replaced it. New calls on it are refused from the start.
 */
export const replacedGraceMs = 5000

/** What cuts connections. */
export interface ConnectionCutter {
  closeConnections(matches: (peer: Peer) => boolean): number
}

/** Options of {@link cutEvictedAgents}. */
export interface AgentEvictionOptions {
  readonly cutter: ConnectionCutter
  readonly clock: Clock
  /** The agent as it is when asked. */
  readonly findNode: (spiffeId: string) => AttestedNode | undefined
}

/**
 * Cuts the connections of agents that may no longer call: at once when the agent is banned or gone, after a moment when
 * another certificate took the place of the one it shows. That calls are refused meanwhile is authorization's work.
 *
 * @param changes what was just committed, by this server or another
 */
export function cutEvictedAgents(
  changes: readonly AppliedChange[],
  options: AgentEvictionOptions,
): void {
  const { cutter, clock } = options
  for (const change of changes) {
    if (change.kind !== 'node') continue
    const { key, value } = change
    if (!value || isBanned(value)) cutter.closeConnections((peer) => isAgent(peer, key))
    else clock.setTimer(replacedGraceMs, () => cutReplaced(options, value))
  }
}

/** Spares what was current at the change, whose own moment is not over, and what has become current since. */
function cutReplaced({ cutter, findNode }: AgentEvictionOptions, then: AttestedNode): void {
  const key = String(then.spiffeId)
  const current = new Set([then, findNode(key)].flatMap((node) => serialsOf(node)))
  cutter.closeConnections((peer) => isAgent(peer, key) && !current.has(peer.serialNumber ?? ''))
}

function serialsOf(node: AttestedNode | undefined): readonly string[] {
  return node ? [node.serialNumber, node.newSerialNumber] : []
}

function isAgent(peer: Peer, spiffeId: string): peer is Extract<Peer, { kind: 'tls' }> {
  return peer.kind === 'tls' && peer.spiffeId === spiffeId
}
