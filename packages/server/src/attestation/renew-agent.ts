import { isBanned } from '../model/attested-node.ts'
import type { Cause } from '../store/store.ts'
import type { AgentSvid, AgentSvidSigner } from './agent-svid-signer.ts'
import { AttestationError } from './attestation-error.ts'
import type { AttestationState } from './attestation-state.ts'
import { updateNode } from './update-node.ts'

/** What {@link renewAgent} needs beside the agent's ID. */
export interface RenewAgentOptions {
  readonly state: AttestationState
  readonly signer: AgentSvidSigner
  readonly cause: Cause
  /** Called when the agent may renew, for the CSR: the order in which callers see errors. */
  readonly csr: () => Uint8Array
}

/**
 * Signs a new SVID for an agent. It waits beside the current one until the agent first uses it; a second renewal takes
 * the place of the first.
 *
 * @throws {AttestationError} `ERR_AGENT_NOT_FOUND`, `ERR_AGENT_MUST_REATTEST`, `ERR_AGENT_BANNED`, `ERR_AGENT_NOT_STORED`
 */
export async function renewAgent(spiffeId: string, options: RenewAgentOptions): Promise<AgentSvid> {
  const { state, signer, cause } = options
  const node = state.records.nodes.find(spiffeId)
  if (!node) throw new AttestationError('ERR_AGENT_NOT_FOUND', 'agent not found')
  if (node.canReattest) {
    throw new AttestationError('ERR_AGENT_MUST_REATTEST', 'agent must reattest instead of renew')
  }
  const svid = await signer.issueAgentSvid({
    spiffeId: node.spiffeId,
    csr: options.csr(),
    requester: spiffeId,
  })
  await updateNode(state, spiffeId, cause, (current) => {
    if (isBanned(current)) throw new AttestationError('ERR_AGENT_BANNED', 'agent is banned')
    // Evicted and attested anew, or a later certificate came into use: what was asked with is no longer the agent's.
    if (current.serialNumber !== node.serialNumber) {
      throw new AttestationError('ERR_AGENT_NOT_FOUND', 'agent not found')
    }
    return {
      ...current,
      newSerialNumber: svid.serialNumber,
      newExpiresAtSeconds: svid.expiresAtSeconds,
    }
  })
  return svid
}
