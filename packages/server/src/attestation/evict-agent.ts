import { messageOf } from '@mini-spire/sdk/errors'
import type { AttestedNode } from '../model/attested-node.ts'
import type { Cause, Expectation, Mutation } from '../store/store.ts'
import { AttestationError } from './attestation-error.ts'
import type { AttestationState } from './attestation-state.ts'
import { isAliasEntryOf, joinTokenType } from './join-tokens.ts'
import { commitOne, isWriteConflict } from './update-node.ts'

/**
 * Forgets an agent, with the alias entry of its join token; other entries below it stay. The node may attest again.
 *
 * @throws {AttestationError} `ERR_AGENT_NOT_FOUND`, `ERR_AGENT_NOT_STORED`
 */
export async function evictAgent(
  state: AttestationState,
  spiffeId: string,
  cause: Cause,
): Promise<void> {
  const node = state.records.nodes.find(spiffeId)
  if (!node) throw notFound()
  const error = await commitOne(state, cause, evictionOf(state, node, 'present'))
  if (error === undefined) return
  if (isWriteConflict(error)) throw notFound()
  throw new AttestationError(
    'ERR_AGENT_NOT_STORED',
    `failed to remove agent: ${messageOf(error)}`,
    { cause: error },
  )
}

function notFound(): AttestationError {
  return new AttestationError('ERR_AGENT_NOT_FOUND', 'agent not found')
}

/** What has to happen for a node to be gone, when it is still as expected. */
export function evictionOf(
  state: AttestationState,
  node: AttestedNode,
  expect: Expectation<AttestedNode>,
): readonly Mutation[] {
  const key = String(node.spiffeId)
  const mutations: Mutation[] = [{ op: 'delete', kind: 'node', key, expect }]
  if (node.attestationType !== joinTokenType) return mutations
  const children = state.records.entries.list({ filter: { parentId: node.spiffeId } })
  for (const entry of children.entries) {
    if (!isAliasEntryOf(entry, key)) continue
    mutations.push({ op: 'delete', kind: 'entry', key: entry.id, expect: 'any' })
  }
  return mutations
}
