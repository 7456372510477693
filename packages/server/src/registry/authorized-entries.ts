import type { RegistrationEntry } from '../model/registration-entry.ts'

/**
 * The entries an agent is authorized for: those whose parent is the agent or an alias of it, and from each of them on those
 * whose parent is its SPIFFE ID. An alias is an entry below the server whose selectors are a subset of the node's. Expiry of
 * entries is not looked at: expired ones are there until they are pruned.
 *
 * Ask for it anew whenever it is needed: it is free while nothing has changed. What is kept across an `await` must be the array,
 * which stays as it was; whether {@link AuthorizedEntries.find} sees later changes is open.
 */
export interface AuthorizedEntries {
  /** Another number whenever the set or one of its entries may have changed; agents with the same set share the object. */
  readonly version: number
  /** Another text exactly when the walk starts elsewhere: agents with equal ones have the same set, now and later. */
  readonly roots: string
  /**
   * The same number as long as the set is only amended: between two views of one lineage only entries that were themselves
   * created, changed or deleted can differ.
   */
  readonly lineage: number
  /** False once the set has changed, or is no longer kept up to date: ask anew. */
  readonly isCurrent: boolean
  readonly size: number
  /** In no particular order, but always in the same for the same version. The array is never changed. */
  entries(): readonly RegistrationEntry[]
  find(entryId: string): RegistrationEntry | undefined
}
