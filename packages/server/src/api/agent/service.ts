import type { Clock } from '@mini-spire/runtime/clock'
import { ApiError } from '@mini-spire/runtime/grpc/api-error'
import { bindService, type HandlersOf, type ServiceBinding } from '@mini-spire/runtime/grpc/service'
import {
  AgentService,
  type CountAgentsRequest_Filter,
} from '@mini-spire/runtime/proto/spire/api/server/agent/v1/agent'
import type { SPIFFEID } from '@mini-spire/runtime/proto/spire/api/types/spiffeid'
import { isSpiffeError, messageOf } from '@mini-spire/sdk/errors'
import type { TrustDomain } from '@mini-spire/sdk/spiffe-id'
import type { AgentSvidSigner } from '../../attestation/agent-svid-signer.ts'
import type { AgentAttestation } from '../../attestation/attest-agent.ts'
import type { AttestationState } from '../../attestation/attestation-state.ts'
import { banAgent } from '../../attestation/ban-agent.ts'
import { evictAgent, logAliasesGone } from '../../attestation/evict-agent.ts'
import { createJoinToken } from '../../attestation/join-tokens.ts'
import { postStatus } from '../../attestation/post-status.ts'
import { renewAgent } from '../../attestation/renew-agent.ts'
import { actorOf, causeOf, type ServerCall } from '../../authorization/caller.ts'
import { agentDenialToProto } from '../../authorization/convert.ts'
import { hashOf } from '../bytes-hash.ts'
import { selectorField, setMatchName } from '../convert-selectors.ts'
import { agentIdFromProto, workloadIdFromProto } from '../convert-spiffe-id.ts'
import { labelled } from '../failure.ts'
import { logFailures } from '../log-failures.ts'
import { passRateLimit, type RateLimit } from '../rate-limits.ts'
import { x509SvidToProto } from '../svid/convert.ts'
import { agentToProto, nodeFilterFromProto } from './convert.ts'
import { messages } from './messages.ts'
import { serveAttestation } from './service-attest.ts'

/** Options of {@link agentService}. */
export interface AgentServiceOptions {
  readonly trustDomain: TrustDomain
  readonly state: AttestationState
  readonly attestation: AgentAttestation
  readonly signer: AgentSvidSigner
  readonly clock: Clock
  readonly limit: RateLimit
}

/** The Agent service: attested nodes, and how they come and go. */
export function agentService(options: AgentServiceOptions): ServiceBinding<ServerCall> {
  const handlers: Handlers = { ...readHandlers(options), ...writeHandlers(options) }
  return bindService(AgentService, logFailures(handlers))
}

type Handlers = HandlersOf<typeof AgentService, ServerCall>

function readHandlers({
  state,
  trustDomain,
}: AgentServiceOptions): Pick<Handlers, 'countAgents' | 'listAgents' | 'getAgent'> {
  const { nodes } = state.records
  return {
    countAgents: (call, { filter }) => {
      auditFilter(call, filter)
      return { count: nodes.count(nodeFilterFromProto(filter, 'failed to count agents')) }
    },
    listAgents: (call, request) => {
      auditFilter(call, request.filter)
      const filter = nodeFilterFromProto(request.filter, 'failed to list agents')
      const { pageSize, pageToken } = request
      try {
        const page = nodes.list({ filter, pageSize, pageToken })
        return {
          agents: page.nodes.map((node) => agentToProto(node, request.outputMask)),
          nextPageToken: page.nextPageToken,
        }
      } catch (cause) {
        if (!isSpiffeError(cause)) throw cause
        throw new ApiError('internal', `failed to list agents: ${messageOf(cause)}`, { cause })
      }
    },
    getAgent: (call, request) => {
      const node = nodes.find(agentIdOf(call, request.id, trustDomain))
      if (!node) throw new ApiError('not-found', messages.agentNotFound)
      return agentToProto(node, request.outputMask)
    },
  }
}

function writeHandlers(
  options: AgentServiceOptions,
): Omit<Handlers, 'countAgents' | 'listAgents' | 'getAgent'> {
  const { state, trustDomain, clock, limit, signer } = options
  return {
    deleteAgent: async (call, { id }) => {
      const agentId = agentIdOf(call, id, trustDomain)
      const aliases = await evictAgent(state, agentId, causeOf(call, 'agent evict'))
      logAliasesGone(call.log, aliases)
      call.log.info('Agent deleted')
      return {}
    },
    banAgent: async (call, { id }) => {
      const agentId = agentIdOf(call, id, trustDomain)
      await banAgent(state, agentId, causeOf(call, 'agent ban'))
      call.log.info('Agent banned')
      return {}
    },
    attestAgent: async function* (call, requests) {
      await passRateLimit(limit, call, 1, messages.attestRateLimit)
      yield* serveAttestation(call, requests, options.attestation)
    },
    renewAgent: async (call, { params }) => {
      if (params && params.csr.length > 0) call.audit.addFields({ csr: hashOf(params.csr) })
      await passRateLimit(limit, call, 1, messages.renewRateLimit)
      const cause = causeOf(call, 'agent renewal')
      const csr = (): Uint8Array => {
        call.log.info('Renewing agent SVID')
        if (!params) throw new ApiError('invalid-argument', messages.paramsNil)
        if (params.csr.length === 0) throw new ApiError('invalid-argument', messages.missingCsr)
        return params.csr
      }
      const id = actorOf(call.caller).id
      try {
        const svid = await renewAgent(id, { state, signer, cause, csr })
        return { svid: x509SvidToProto(svid) }
      } catch (error) {
        throw isSpiffeError(error, 'ERR_AGENT_MUST_REATTEST') ? mustReattest(error) : error
      }
    },
    createJoinToken: async (call, request) => {
      if (request.ttl > 0) call.audit.addFields({ ttl: request.ttl })
      const agentId =
        request.agentId &&
        request.ttl >= 1 &&
        labelled(messages.invalidAgentId, () => workloadIdFromProto(trustDomain, request.agentId))
      if (agentId) call.audit.addFields({ spiffe_id: String(agentId) })
      const created = await createJoinToken(
        { ttlSeconds: request.ttl, token: request.token, agentId: agentId || undefined },
        { state, trustDomain, clock, cause: causeOf(call, 'token generate') },
      )
      return { value: created.token, expiresAt: BigInt(created.expiresAtSeconds) }
    },
    postStatus: async (call, { agentVersion }) => {
      await passRateLimit(limit, call, 1, messages.postStatusRateLimit)
      const id = actorOf(call.caller).id
      call.audit.addFields({ spiffe_id: id })
      call.addLogFields({ spiffe_id: id })
      if (agentVersion !== '' && Buffer.byteLength(agentVersion) <= 255) {
        call.audit.addFields({ agent_version: agentVersion })
      }
      await postStatus(state, id, agentVersion, causeOf(call, 'agent status'))
      if (agentVersion !== '')
        call.log.debug('Agent status updated', { agent_version: agentVersion })
      return {}
    },
  }
}

function agentIdOf(call: ServerCall, id: SPIFFEID | undefined, trustDomain: TrustDomain): string {
  const agentId = labelled(messages.invalidAgentId, () => agentIdFromProto(trustDomain, id))
  const fields = { spiffe_id: String(agentId) }
  call.audit.addFields(fields)
  call.addLogFields(fields)
  return String(agentId)
}

function mustReattest(cause: Error): ApiError {
  const details = [agentDenialToProto('AGENT_MUST_REATTEST')]
  return new ApiError('permission-denied', cause.message, { cause, details })
}

function auditFilter(call: ServerCall, filter: CountAgentsRequest_Filter | undefined): void {
  if (!filter || !call.audit.isEnabled) return
  const { byAttestationType, byBanned, byCanReattest, bySelectorMatch } = filter
  call.audit.addFields({
    ...(byAttestationType !== '' && { node_attestor_type: byAttestationType }),
    ...(byBanned !== undefined && { by_banned: byBanned }),
    ...(byCanReattest !== undefined && { by_can_reattest: byCanReattest }),
    ...(bySelectorMatch && {
      by_selector_match: setMatchName(bySelectorMatch.match),
      by_selectors: selectorField(bySelectorMatch.selectors),
    }),
  })
}
