import { ApiError } from '@mini-spire/runtime/grpc/api-error'
import type { TlsPeer } from '@mini-spire/runtime/grpc/call-context'
import { isSpiffeError, messageOf } from '@mini-spire/sdk/errors'
import type { AttestedNode } from '../model/attested-node.ts'
import { isBanned } from '../model/attested-node.ts'
import type { Registry } from '../registry/registry.ts'
import type { Store } from '../store/store.ts'
import type { AgentDenial } from './convert.ts'

/** What the agent check reads and writes. */
export interface AgentCheckState {
  readonly registry: { readonly nodes: Pick<Registry['nodes'], 'find'> }
  readonly store: Pick<Store, 'commit'>
}

/** One agent's question to be let in. */
export interface AgentCheckRequest {
  /** SPIFFE ID of the client certificate, which the listener has verified. */
  readonly spiffeId: string
  readonly peer: TlsPeer
  readonly requestId: string
  readonly nowMs: number
}

/** How often activation is tried anew because the node's record changed meanwhile. Each round somebody has succeeded. */
const maxAttempts = 100

/**
 * Decides whether a certificate is the one its agent currently calls with.
 *
 * A certificate from a renewal becomes current when it is first used; the one before it is dead from then on. The path of
 * the ID is not looked at: whatever has an attested node's record is an agent.
 *
 * @returns why not, or undefined when the agent may call
 * @throws {ApiError} when the new certificate could not be made the current one
 */
export async function checkAgent(
  state: AgentCheckState,
  request: AgentCheckRequest,
): Promise<AgentDenial | undefined> {
  const { spiffeId, peer, nowMs } = request
  if (nowMs > peer.notAfterMs) return 'AGENT_EXPIRED'
  for (let attempt = 1; ; attempt++) {
    const node = state.registry.nodes.find(spiffeId)
    if (!node) return 'AGENT_NOT_ATTESTED'
    if (isBanned(node)) return 'AGENT_BANNED'
    if (node.serialNumber === peer.serialNumber) return undefined
    if (node.newSerialNumber === '' || node.newSerialNumber !== peer.serialNumber) {
      return 'AGENT_NOT_ACTIVE'
    }
    const error = await activate(state, request, node)
    if (error === undefined) return undefined
    if (isConflict(error) && attempt < maxAttempts) continue
    throw new ApiError('internal', `unable to activate the new agent SVID: ${messageOf(error)}`, {
      cause: error,
    })
  }
}

/** Makes the new serial number current, unless the node's record has changed meanwhile: a ban always wins. */
async function activate(
  { store }: AgentCheckState,
  { spiffeId, requestId }: AgentCheckRequest,
  node: AttestedNode,
): Promise<unknown> {
  const value: AttestedNode = {
    ...node,
    serialNumber: node.newSerialNumber,
    expiresAtSeconds: node.newExpiresAtSeconds,
    newSerialNumber: '',
    newExpiresAtSeconds: 0,
  }
  try {
    const [error] = await store.commit([
      {
        cause: { actor: { class: 'agent', id: spiffeId }, requestId, reason: 'agent activate' },
        mutations: [{ op: 'put', kind: 'node', key: spiffeId, value, expect: { unchanged: node } }],
      },
    ])
    return error
  } catch (error) {
    return error
  }
}

function isConflict(error: unknown): boolean {
  return isSpiffeError(error, 'ERR_RECORD_CHANGED') || isSpiffeError(error, 'ERR_RECORD_NOT_FOUND')
}
