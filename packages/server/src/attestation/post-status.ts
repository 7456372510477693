import type { Cause } from '../store/store.ts'
import { AttestationError } from './attestation-error.ts'
import type { AttestationState } from './attestation-state.ts'
import { updateNode } from './update-node.ts'

const maxVersionBytes = 255

/**
 * Notes the version that an agent says it runs. An empty one changes nothing.
 *
 * @throws {AttestationError} `ERR_AGENT_VERSION_TOO_LONG`, `ERR_AGENT_NOT_FOUND`, `ERR_AGENT_NOT_STORED`
 */
export async function postStatus(
  state: AttestationState,
  spiffeId: string,
  agentVersion: string,
  cause: Cause,
): Promise<void> {
  if (agentVersion === '') return
  if (Buffer.byteLength(agentVersion) > maxVersionBytes) {
    throw new AttestationError(
      'ERR_AGENT_VERSION_TOO_LONG',
      'agent version is too long (max 255 characters)',
    )
  }
  await updateNode(state, spiffeId, cause, (node) =>
    node.agentVersion === agentVersion ? node : { ...node, agentVersion },
  )
}
