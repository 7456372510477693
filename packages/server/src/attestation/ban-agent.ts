import { isSpiffeError } from '@mini-spire/sdk/errors'
import type { Cause } from '../store/store.ts'
import { AttestationError } from './attestation-error.ts'
import type { AttestationState } from './attestation-state.ts'
import { updateNode } from './update-node.ts'

/**
 * Bans an agent: it keeps its record and loses both serial numbers, so that no SVID of it is accepted and no attestation
 * succeeds until it is evicted.
 *
 * @throws {AttestationError} `ERR_AGENT_NOT_FOUND`, `ERR_AGENT_NOT_STORED`
 */
export async function banAgent(
  state: AttestationState,
  spiffeId: string,
  cause: Cause,
): Promise<void> {
  try {
    await updateNode(state, spiffeId, cause, (node) => ({
      ...node,
      serialNumber: '',
      newSerialNumber: '',
    }))
  } catch (error) {
    if (!isSpiffeError(error, 'ERR_AGENT_NOT_STORED')) throw error
    throw new AttestationError(
      'ERR_AGENT_NOT_STORED',
      error.message.replace('failed to update agent', 'failed to ban agent'),
      { cause: error.cause },
    )
  }
}
