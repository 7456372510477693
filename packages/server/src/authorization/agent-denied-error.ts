import { ApiError } from '@mini-spire/runtime/grpc/api-error'
import type { LogFields } from '@mini-spire/runtime/log/logger'
import { type AgentDenial, agentDenialToProto } from './convert.ts'

/** What the log says of an agent that is refused; the agent itself gets a status detail only. */
const texts: Record<AgentDenial, string> = {
  AGENT_EXPIRED: 'Agent SVID is expired',
  AGENT_NOT_ATTESTED: 'Agent is not attested',
  AGENT_NOT_ACTIVE: 'Agent SVID is not active',
  AGENT_BANNED: 'Agent is banned',
  AGENT_MUST_REATTEST: 'Agent must reattest',
}

/** An agent that may not call: with the reason as a status detail for the agent, and as a line for the log. */
export class AgentDeniedError extends ApiError {
  readonly logLine: { readonly message: string; readonly fields: LogFields }

  constructor(message: string, denial: AgentDenial, fields: LogFields = {}) {
    super('permission-denied', message, { details: [agentDenialToProto(denial)] })
    this.logLine = { message: texts[denial], fields }
  }
}
