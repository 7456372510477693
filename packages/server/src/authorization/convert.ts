import type { StatusDetail } from '@mini-spire/runtime/grpc/api-error'
import {
  PermissionDeniedDetails,
  PermissionDeniedDetails_Reason,
} from '@mini-spire/runtime/proto/spire/api/types/status'

/** Why an agent's call is refused. Agents act on it: they attest again, or shut down when they are banned. */
export type AgentDenial =
  | 'AGENT_EXPIRED'
  | 'AGENT_NOT_ATTESTED'
  | 'AGENT_NOT_ACTIVE'
  | 'AGENT_BANNED'
  | 'AGENT_MUST_REATTEST'

const typeUrl = 'type.googleapis.com/spire.api.types.PermissionDeniedDetails'

/** Writes the status detail that tells an agent why. */
export function agentDenialToProto(denial: AgentDenial): StatusDetail {
  const reason = PermissionDeniedDetails_Reason[denial]
  return { typeUrl, value: PermissionDeniedDetails.encode({ reason }).finish() }
}
