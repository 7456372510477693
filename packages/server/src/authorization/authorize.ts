import { ApiError } from '@mini-spire/runtime/grpc/api-error'
import type { CallContext, TlsPeer } from '@mini-spire/runtime/grpc/call-context'
import { messageOf } from '@mini-spire/sdk/errors'
import { SpiffeId } from '@mini-spire/sdk/spiffe-id'
import type { Registry } from '../registry/registry.ts'
import { AgentDeniedError } from './agent-denied-error.ts'
import { AuthorizationError } from './authorization-error.ts'
import type { Authorized, Caller } from './caller.ts'
import { type AgentCheckState, checkAgent } from './check-agent.ts'
import { executableOf } from './executable-of.ts'
import type { Grant } from './policy.ts'
import { builtInPolicy, type PolicyEngine } from './policy-engine.ts'

/** What decides who is let in. */
export interface AuthorizeOptions extends AgentCheckState {
  readonly registry: AgentCheckState['registry'] & {
    readonly entries: Pick<Registry['entries'], 'findBySpiffeId'>
  }
  /** The configuration's `admin_ids`, complete IDs of any trust domain. */
  readonly adminIds: readonly SpiffeId[]
  /** @default the built-in policy */
  readonly policy?: PolicyEngine
}

/**
 * Finds out who makes a call, and lets it in or refuses it.
 *
 * The order is SPIRE's: open to anybody, local, admin by configuration, admin and downstream by entries, agent. Entries
 * count by SPIFFE ID alone: their parent, selectors and expiry are not looked at.
 *
 * @throws {ApiError} `permission-denied`; to an agent with the reason as a status detail, never in the text
 * @param request the decoded request; undefined for a stream of them
 * @throws {AuthorizationError} `ERR_CALLER_MALFORMED` for a certificate whose ID is none, `ERR_POLICY_EVALUATION`
 */
export async function authorize(
  options: AuthorizeOptions,
  call: CallContext,
  request?: unknown,
): Promise<Authorized> {
  const grants = askPolicy(options.policy ?? builtInPolicy, call, request)
  if (!grants) throw denied(call)
  const { peer } = call
  if (peer.kind === 'unix') {
    const { uid, gid, pid } = peer
    const caller: Caller = { class: 'local', uid, gid, pid }
    if (grants.has('any')) return { caller, as: 'nobody', via: '' }
    if (grants.has('local')) return { caller, as: 'local', via: 'transport' }
    throw denied(call)
  }
  const spiffeId = idOf(peer)
  if (grants.has('any')) {
    return { caller: { class: 'anonymous', spiffeId }, as: 'nobody', via: '' }
  }
  if (!spiffeId) throw denied(call)
  return authorizeIdentity(options, call, peer, spiffeId, grants)
}

function askPolicy(
  policy: PolicyEngine,
  { method, peer }: CallContext,
  request: unknown,
): ReadonlySet<Grant> | undefined {
  const isLocal = peer.kind === 'unix'
  return policy.grantsOf({
    method,
    caller: isLocal ? '' : (peer.spiffeId ?? ''),
    isLocal,
    callerPath: () => (isLocal ? executableOf(peer.pid) : ''),
    request,
  })
}

async function authorizeIdentity(
  options: AuthorizeOptions,
  call: CallContext,
  peer: TlsPeer,
  spiffeId: SpiffeId,
  grants: ReadonlySet<Grant>,
): Promise<Authorized> {
  // A connection may outlive its certificate: that proves nothing any more. Agents are told so below.
  if (call.clock.nowMs() <= peer.notAfterMs) {
    const operator =
      authorizeByConfig(options, spiffeId, grants) ?? authorizeByEntries(options, spiffeId, grants)
    if (operator) return operator
  }
  if (!grants.has('agent')) throw denied(call)
  const denial = await checkAgent(options, {
    spiffeId: spiffeId.toString(),
    peer,
    requestId: call.requestId,
    nowMs: call.clock.nowMs(),
  })
  if (denial) {
    const current = options.registry.nodes.find(spiffeId.toString())?.serialNumber
    const serials = { svid_serial_num: peer.serialNumber, serial_num: current }
    throw new AgentDeniedError(
      deniedText(call),
      denial,
      denial === 'AGENT_NOT_ACTIVE' ? serials : {},
    )
  }
  return { caller: { class: 'agent', spiffeId }, as: 'agent', via: 'datastore' }
}

function authorizeByConfig(
  { adminIds }: AuthorizeOptions,
  spiffeId: SpiffeId,
  grants: ReadonlySet<Grant>,
): Authorized | undefined {
  if (!grants.has('admin') || !adminIds.some((id) => id.equals(spiffeId))) return undefined
  return { caller: { class: 'admin', spiffeId, via: 'config' }, as: 'admin', via: 'config' }
}

function authorizeByEntries(
  { registry }: AuthorizeOptions,
  spiffeId: SpiffeId,
  grants: ReadonlySet<Grant>,
): Authorized | undefined {
  if (!grants.has('admin') && !grants.has('downstream')) return undefined
  const entries = registry.entries.findBySpiffeId(spiffeId.toString())
  if (grants.has('admin') && entries.some(({ admin }) => admin)) {
    return { caller: { class: 'admin', spiffeId, via: 'entries' }, as: 'admin', via: 'entries' }
  }
  const downstream = entries.filter((entry) => entry.downstream)
  if (!grants.has('downstream') || downstream.length === 0) return undefined
  const caller: Caller = { class: 'downstream', spiffeId, entries: downstream }
  return { caller, as: 'downstream', via: 'entries' }
}

/** The caller's ID, as the listener verified it in the handshake; undefined without a client certificate. */
function idOf(peer: TlsPeer): SpiffeId | undefined {
  if (peer.spiffeId === undefined) return undefined
  try {
    return SpiffeId.parse(peer.spiffeId)
  } catch (cause) {
    const why = messageOf(cause)
    throw new AuthorizationError(
      'ERR_CALLER_MALFORMED',
      `client certificate has a malformed URI SAN: ${why}`,
      { cause },
    )
  }
}

function denied(call: CallContext): ApiError {
  return new ApiError('permission-denied', deniedText(call))
}

function deniedText({ method }: CallContext): string {
  return `authorization denied for method ${method}`
}
