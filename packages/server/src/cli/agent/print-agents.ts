import { formatLocal } from '@mini-spire/runtime/cli/time'
import { formatWireId } from '@mini-spire/runtime/cli/values'
import type { Agent } from '@mini-spire/runtime/proto/spire/api/types/agent'

/** An agent as people read it, an empty line after it. Times are in the zone of the reader. */
export function formatAgent(agent: Agent): string {
  const lines = [
    `SPIFFE ID         : ${formatWireId(agent.id)}`,
    `Attestation type  : ${agent.attestationType}`,
    `Expiration time   : ${formatLocal(Number(agent.x509svidExpiresAt))}`,
    agent.banned ? 'Banned            : true' : `Serial number     : ${agent.x509svidSerialNumber}`,
    `Can re-attest     : ${agent.canReattest}`,
    ...(agent.agentVersion === '' ? [] : [`Agent version     : ${agent.agentVersion}`]),
  ]
  return `${lines.join('\n')}\n\n`
}
