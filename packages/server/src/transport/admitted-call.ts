import type { Clock } from '@mini-spire/runtime/clock'
import type { CallContext, Peer } from '@mini-spire/runtime/grpc/call-context'
import { LateLogger } from '@mini-spire/runtime/log/late-logger'
import type { LogFields, Logger } from '@mini-spire/runtime/log/logger'
import {
  type AuditStatus,
  type CallAudit,
  type GatheredAudit,
  noAudit,
} from '../audit/audit-event.ts'
import { writeAudit } from '../audit/audit-log.ts'
import type { Authorized, Caller, ServerCall } from '../authorization/caller.ts'

/** Options of {@link AdmittedCall}. */
export interface AdmittedCallOptions {
  readonly call: CallContext
  readonly authorized: Authorized
  /** The audit row, and what else stands in its line; undefined when the server keeps no audit log. */
  readonly audit: { readonly row: GatheredAudit; readonly fields: LogFields } | undefined
  /** What log lines of the call carry; asked for when the first one is written. */
  readonly logFields: () => LogFields
}

/**
 * A call that was let in: the host's context with the caller and the audit row. A class, so that all calls have one shape and
 * what handlers read of them stays fast.
 */
export class AdmittedCall implements ServerCall {
  readonly peer: Peer
  readonly method: string
  readonly clock: Clock
  readonly caller: Caller
  readonly audit: CallAudit
  readonly #audit: AdmittedCallOptions['audit']
  readonly #call: CallContext
  readonly #logFields: () => LogFields
  #log: Logger | undefined
  #told: LogFields | undefined

  constructor({ call, authorized, audit, logFields }: AdmittedCallOptions) {
    this.peer = call.peer
    this.method = call.method
    this.clock = call.clock
    this.caller = authorized.caller
    this.audit = audit?.row ?? noAudit
    this.#audit = audit
    this.#call = call
    this.#logFields = logFields
  }

  get requestId(): string {
    return this.#call.requestId
  }

  get signal(): AbortSignal {
    return this.#call.signal
  }

  get log(): Logger {
    const told = this.#told
    this.#log ??= new LateLogger(this.#call.log, () => ({ ...this.#logFields(), ...told }))
    return this.#log
  }

  addLogFields(fields: LogFields): void {
    this.#told = this.#told ? { ...this.#told, ...fields } : fields
    this.#log = undefined
  }

  /** Writes the audit line of the call, now that it has ended, if the server keeps an audit log. */
  writeAudit(outcome: AuditStatus): void {
    if (!this.#audit) return
    const { fields, row } = this.#audit
    writeAudit(this.#call.log.with({ ...this.#logFields(), ...fields }), row, outcome)
  }

  metadata(name: string): readonly string[] {
    return this.#call.metadata(name)
  }
}
