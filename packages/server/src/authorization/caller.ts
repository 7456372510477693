import type { CallContext } from '@mini-spire/runtime/grpc/call-context'
import type { LogFields } from '@mini-spire/runtime/log/logger'
import type { SpiffeId } from '@mini-spire/sdk/spiffe-id'
import type { CallAudit } from '../audit/audit-event.ts'
import type { RegistrationEntry } from '../model/registration-entry.ts'
import type { Actor, Cause } from '../store/store.ts'

/** A process that could connect to the local socket: that is all it has to prove. It has no SPIFFE ID. */
export interface LocalCaller {
  readonly class: 'local'
  readonly uid: number
  readonly gid: number
  readonly pid: number
}

/** Somebody whose identity the method does not ask for; with the ID of its client certificate, if it sent one. */
export interface AnonymousCaller {
  readonly class: 'anonymous'
  readonly spiffeId: SpiffeId | undefined
}

/** An attested node's agent, whose current certificate this connection shows. */
export interface AgentCaller {
  readonly class: 'agent'
  readonly spiffeId: SpiffeId
}

/** An operator: named by the configuration's `admin_ids` or by an entry with `admin`. */
export interface AdminCaller {
  readonly class: 'admin'
  readonly spiffeId: SpiffeId
  readonly via: 'config' | 'entries'
}

/** A server below this one, with the downstream entries that carry its ID. */
export interface DownstreamCaller {
  readonly class: 'downstream'
  readonly spiffeId: SpiffeId
  readonly entries: readonly RegistrationEntry[]
}

/** Who makes a call, as far as it was needed to let the call in. */
export type Caller = LocalCaller | AnonymousCaller | AgentCaller | AdminCaller | DownstreamCaller

/** A call that has passed the policy. Every handler of the server takes one as its first argument. */
export interface ServerCall extends CallContext {
  readonly caller: Caller
  readonly audit: CallAudit
  /** Adds fields to the lines that are logged of the call from now on; audit lines have their own. */
  addLogFields(fields: LogFields): void
}

/**
 * Why a call was let in, as log lines and audit lines say it in `authorized_as` and `authorized_via`.
 */
export interface Authorized {
  readonly caller: Caller
  readonly as: 'nobody' | 'local' | 'admin' | 'downstream' | 'agent'
  readonly via: '' | 'transport' | 'config' | 'entries' | 'datastore'
}

/** The caller as the change log records it. */
export function actorOf(caller: Caller): Actor {
  switch (caller.class) {
    case 'local':
      return { class: 'local', id: `uid:${caller.uid}` }
    case 'anonymous':
      return { class: 'anonymous', id: caller.spiffeId?.toString() ?? '' }
    case 'agent':
    case 'admin':
    case 'downstream':
      return { class: caller.class, id: caller.spiffeId.toString() }
    default:
      return caller satisfies never
  }
}

/** Why a change is made: who asked, in which request, for which operation. */
export function causeOf(call: ServerCall, reason: string): Cause {
  return { actor: actorOf(call.caller), requestId: call.requestId, reason }
}
