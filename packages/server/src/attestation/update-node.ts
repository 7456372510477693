import { isSpiffeError, messageOf } from '@mini-spire/sdk/errors'
import type { AttestedNode } from '../model/attested-node.ts'
import type { Cause } from '../store/store.ts'
import { AttestationError } from './attestation-error.ts'
import { type AttestationState, putNode } from './attestation-state.ts'

/** How often a change is tried anew because another one came first. Each round somebody has succeeded. */
export const maxWriteAttempts = 100

/** Whether a commit was refused because somebody else wrote the record first. */
export function isWriteConflict(error: unknown): boolean {
  return (
    isSpiffeError(error, 'ERR_RECORD_CHANGED') ||
    isSpiffeError(error, 'ERR_RECORD_EXISTS') ||
    isSpiffeError(error, 'ERR_RECORD_NOT_FOUND')
  )
}

/**
 * Changes the record of an agent as it is now, whoever else writes meanwhile: nothing another caller wrote (a ban, say) is
 * ever overwritten.
 *
 * @throws {AttestationError} `ERR_AGENT_NOT_FOUND`, `ERR_AGENT_NOT_STORED`; and what `change` throws
 */
export async function updateNode(
  state: AttestationState,
  spiffeId: string,
  cause: Cause,
  change: (node: AttestedNode) => AttestedNode,
): Promise<AttestedNode> {
  for (let attempt = 1; ; attempt++) {
    const existing = state.records.nodes.find(spiffeId)
    if (!existing) throw new AttestationError('ERR_AGENT_NOT_FOUND', 'agent not found')
    const updated = change(existing)
    if (updated === existing) return existing
    const error = await commitOne(state, cause, [putNode(updated, existing)])
    if (error === undefined) return updated
    if (!isWriteConflict(error) || attempt === maxWriteAttempts) {
      throw new AttestationError(
        'ERR_AGENT_NOT_STORED',
        `failed to update agent: ${messageOf(error)}`,
        { cause: error },
      )
    }
  }
}

/** Commits one transaction and returns why it did not happen, be it a conflict or a store that cannot write. */
export async function commitOne(
  state: AttestationState,
  cause: Cause,
  mutations: Parameters<AttestationState['store']['commit']>[0][number]['mutations'],
): Promise<unknown> {
  try {
    const [error] = await state.store.commit([{ cause, mutations }])
    return error
  } catch (error) {
    return error
  }
}
