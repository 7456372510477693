import type { CallContext } from '@mini-spire/runtime/grpc/call-context'
import { ExtendedCall } from '@mini-spire/runtime/grpc/extended-call'
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
 * A call that was let in: the host's context with the caller and the audit row.
 */
export class AdmittedCall extends ExtendedCall implements ServerCall {
  readonly caller: Caller
  readonly audit: CallAudit
  readonly #audit: AdmittedCallOptions['audit']
  readonly #logFields: () => LogFields
  #log: Logger | undefined
  #told: LogFields | undefined

  constructor({ call, authorized, audit, logFields }: AdmittedCallOptions) {
    super(call)
    this.caller = authorized.caller
    this.audit = audit?.row ?? noAudit
    this.#audit = audit
    this.#logFields = logFields
  }

  override get log(): Logger {
    const told = this.#told
    this.#log ??= new LateLogger(this.bare.log, () => ({ ...this.#logFields(), ...told }))
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
    writeAudit(this.bare.log.with({ ...this.#logFields(), ...fields }), row, outcome)
  }
}
