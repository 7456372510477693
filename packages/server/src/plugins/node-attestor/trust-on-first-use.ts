import type { NodeAttestationContext } from './node-attestor.ts'
import { NodeAttestorError } from './node-attestor-error.ts'

/** What is said when evidence that counts once comes again. */
export const alreadyUsed = 'attestation data has already been used to attest an agent'

/**
 * Refuses an agent that is attested already, as early as SPIRE does. That evidence counts once also for those who ask at
 * the same time is for the caller to see to, who is told by `isTrustedOnFirstUse`.
 *
 * @throws {NodeAttestorError} `ERR_NODE_EVIDENCE_REFUSED`
 */
export function refuseSecondUse(agentId: string, context: NodeAttestationContext): void {
  if (!context.isAttested(agentId)) return
  throw new NodeAttestorError('ERR_NODE_EVIDENCE_REFUSED', alreadyUsed)
}
