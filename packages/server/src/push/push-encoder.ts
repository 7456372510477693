import type { RegistrationEntry } from '../model/registration-entry.ts'
import type { TrustBundle } from '../model/trust-bundle.ts'
import type { Position } from '../store/store.ts'

/** What an agent holds once it has taken in a message. */
export interface SetState {
  readonly position: Position
  /** Entries in the set. */
  readonly count: number
  /** `mini-spire set digest 1` of the set at the position's epoch. */
  readonly digest: Uint8Array
}

/** The bundles of a set, encoded, in ascending order of trust domain names, and their digest. */
export interface BundleSet {
  readonly bundles: readonly Uint8Array[]
  readonly digest: Uint8Array
}

/** What has changed between two states of a set. */
export interface SetChange {
  readonly changed: readonly RegistrationEntry[]
  readonly removedIds: readonly string[]
}

/** Writes messages as they go on the wire; each is written once and shared by all whom it concerns. */
export interface PushEncoder {
  snapshot(state: SetState, entries: readonly RegistrationEntry[], more: boolean): Uint8Array
  delta(state: SetState, change: SetChange, more: boolean): Uint8Array
  bundles(state: SetState, set: BundleSet, more: boolean): Uint8Array
  heartbeat(state: SetState): Uint8Array
  bundle(bundle: TrustBundle): Uint8Array
}
