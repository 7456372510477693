import type { AuthorityState } from '@mini-spire/runtime/proto/spire/api/server/localauthority/v1/localauthority'
import type { SlotState } from '../../ca/authority-slot.ts'
import type { AuthorityStates } from '../../ca/authority-states.ts'

/** An authority with its end. */
export function authorityStateToProto(state: SlotState): AuthorityState {
  return {
    authorityId: state.authorityId,
    expiresAt: BigInt(state.notAfterSeconds),
    upstreamAuthoritySubjectKeyId: state.upstreamAuthorityId,
  }
}

/** An authority of which only the ID is told. */
export function authorityIdToProto(authorityId: string): AuthorityState {
  return { authorityId, expiresAt: 0n, upstreamAuthoritySubjectKeyId: '' }
}

/** What the slots of a kind hold; what is not there is left out. */
export function authorityStatesToProto(
  states: AuthorityStates,
): Record<keyof AuthorityStates, AuthorityState | undefined> {
  const toProto = (state: SlotState | undefined): AuthorityState | undefined =>
    state && authorityStateToProto(state)
  return {
    active: toProto(states.active),
    prepared: toProto(states.prepared),
    old: toProto(states.old),
  }
}
