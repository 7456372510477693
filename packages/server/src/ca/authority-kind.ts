import type { LogFields } from '@mini-spire/runtime/log/logger'
import type { AuthorityStatus, SlotId } from '../model/authority.ts'
import type { AuthoritySlot, SlotContent, SlotPair } from './authority-slot.ts'
import type { AuthorityKindName } from './ca-metrics.ts'

/** What differs between X.509 and JWT authorities in preparing, activating and remembering them. */
export interface AuthorityKind<Authority> {
  readonly name: AuthorityKindName
  /** The texts of its log lines; operators search for them. */
  readonly texts: {
    readonly preparing: string
    readonly prepared: string
    readonly activated: string
    readonly journalAppendFailed: string
    readonly journalStatusFailed: string
    readonly journalActivationFailed: string
  }
  /** The slots as the journal remembers them. */
  load(): Promise<SlotPair<Authority>>
  /** Generates the slot's key, makes the authority and publishes it in the bundle. */
  make(slotId: SlotId): Promise<SlotContent<Authority>>
  /** Appends a prepared authority to the journal. */
  remember(slotId: SlotId, content: SlotContent<Authority>): Promise<void>
  /** Changes an authority's status in the journal. */
  setStatus(authorityId: string, status: AuthorityStatus): Promise<void>
  /** What its log lines say of a slot. */
  logFields(slot: AuthoritySlot<Authority>): LogFields
  /** What the line about the preparation says besides. */
  preparedFields(slot: AuthoritySlot<Authority>): LogFields
  /** What else is logged when an authority signs from now on. */
  logActivated?(slot: AuthoritySlot<Authority>): void
}
