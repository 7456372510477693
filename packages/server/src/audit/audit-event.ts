import type { LogFields } from '@mini-spire/runtime/log/logger'

/** How one thing that was asked for ended, as a gRPC status; 0 is success. */
export interface AuditStatus {
  readonly code: number
  readonly message: string
}

/** One item of a batch call: its own line in the audit log. */
export interface AuditItem {
  readonly status: AuditStatus
  readonly fields: LogFields
}

/**
 * What handlers tell about a call while it runs. Whoever serves the call writes the lines when it ends: one, or one per
 * item, and exactly one with the error when the call failed.
 *
 * Fields say what was asked for. Never a key, token or attestation payload; bytes only as their SHA-256 in hex.
 */
export interface CallAudit {
  /** Whether lines are written at all: nobody needs to gather fields for nobody. */
  readonly isEnabled: boolean
  /** Adds fields to the line of the call itself; lines of items have their own. */
  addFields(fields: LogFields): void
  /** Adds the line of one item of a batch. */
  addItem(item: AuditItem): void
}

/** Gathers what a call tells of itself. */
export class GatheredAudit implements CallAudit {
  readonly isEnabled: boolean = true
  #fields: LogFields = {}
  readonly #items: AuditItem[] = []

  addFields(fields: LogFields): void {
    this.#fields = { ...this.#fields, ...fields }
  }

  addItem(item: AuditItem): void {
    this.#items.push(item)
  }

  get fields(): LogFields {
    return this.#fields
  }

  get items(): readonly AuditItem[] {
    return this.#items
  }
}

/** The audit of a call whose server keeps no audit log. */
export const noAudit: CallAudit = { isEnabled: false, addFields: () => {}, addItem: () => {} }
