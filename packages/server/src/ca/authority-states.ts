import { AuthorityStatus } from '../model/authority.ts'
import type { AuthoritySlot, SlotPair, SlotState } from './authority-slot.ts'

/** What an operator sees of a kind of authority. A prepared and an old one are never there at once. */
export interface AuthorityStates {
  readonly active: SlotState | undefined
  readonly prepared: SlotState | undefined
  /** The one that signed before; those before it are known by the bundle only. */
  readonly old: SlotState | undefined
}

/** What a kind's two slots hold. */
export function statesOf<Authority>(slots: SlotPair<Authority>): AuthorityStates {
  const { current, next } = slots
  return {
    active: withStatus(current, AuthorityStatus.Active),
    prepared: withStatus(next, AuthorityStatus.Prepared),
    old: withStatus(next, AuthorityStatus.Old),
  }
}

/** A slot that was cleared before it ever held an authority has nothing to tell. */
function withStatus<Authority>(
  { status, state }: AuthoritySlot<Authority>,
  wanted: AuthorityStatus,
): SlotState | undefined {
  return status === wanted && state.authorityId !== '' ? state : undefined
}
