import type { Logger } from '@mini-spire/runtime/log/logger'
import { messageOf } from '@mini-spire/sdk/errors'
import type { AttestedNode } from '../model/attested-node.ts'
import type { RegistrationEntry } from '../model/registration-entry.ts'
import type { Cause, Expectation, Mutation } from '../store/store.ts'
import { AttestationError } from './attestation-error.ts'
import type { AttestationState } from './attestation-state.ts'
import { isAliasEntryOf, joinTokenType } from './join-tokens.ts'
import { commitOne, isWriteConflict } from './update-node.ts'

/**
 * Forgets an agent, with the alias entry of its join token; other entries below it stay. The node may attest again.
 *
 * @returns the alias entries that went along
 * @throws {AttestationError} `ERR_AGENT_NOT_FOUND`, `ERR_AGENT_NOT_STORED`
 */
export async function evictAgent(
  state: AttestationState,
  spiffeId: string,
  cause: Cause,
): Promise<readonly RegistrationEntry[]> {
  const node = state.records.nodes.find(spiffeId)
  if (!node) throw notFound()
  const { aliases, mutations } = evictionOf(state, node, 'present')
  const error = await commitOne(state, cause, mutations)
  if (error === undefined) return aliases
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

/** What has to happen for a node to be gone, when it is still as expected; and the entries that go along. */
export function evictionOf(
  state: AttestationState,
  node: AttestedNode,
  expect: Expectation<AttestedNode>,
): { readonly aliases: readonly RegistrationEntry[]; readonly mutations: readonly Mutation[] } {
  const key = String(node.spiffeId)
  const gone: Mutation = { op: 'delete', kind: 'node', key, expect }
  if (node.attestationType !== joinTokenType) return { aliases: [], mutations: [gone] }
  const children = state.records.entries.list({ filter: { parentId: node.spiffeId } })
  const aliases = children.entries.filter((entry) => isAliasEntryOf(entry, key))
  const deletions = aliases.map(
    ({ id }): Mutation => ({ op: 'delete', kind: 'entry', key: id, expect: 'any' }),
  )
  return { aliases, mutations: [gone, ...deletions] }
}

/** Says which entries went along with an agent. */
export function logAliasesGone(log: Logger, aliases: readonly RegistrationEntry[]): void {
  for (const { id, spiffeId, parentId } of aliases) {
    const fields = { spiffe_id: `${spiffeId}`, parent_id: `${parentId}`, entry_id: id }
    log.info('Cascade-deleted registration entry on attested node deletion', fields)
  }
}
