import type { Clock } from '@mini-spire/runtime/clock'
import { isSpiffeError, messageOf, type SpiffeError } from '@mini-spire/sdk/errors'
import type { RegistrationEntry } from '../model/registration-entry.ts'
import type { Registry } from '../registry/registry.ts'
import type { Store, Transaction } from '../store/store.ts'
import { EntryError } from './entry-error.ts'
import type { PendingEntries } from './pending-entries.ts'

/** What registration reads and writes. Every commit has reached the registry when it resolves. */
export interface RegistrationState {
  readonly registry: Pick<Registry, 'entries' | 'bundles'>
  readonly store: Pick<Store, 'commit'>
  readonly clock: Clock
  /** One for all who share the store. */
  readonly pending: PendingEntries
}

/** How often a change is tried anew because another one came first. Each round somebody has succeeded. */
export const maxWriteAttempts = 100

/** How one item of a batch ended. */
export type ItemOutcome =
  | { readonly kind: 'done'; readonly entry: RegistrationEntry }
  | { readonly kind: 'failed'; readonly error: SpiffeError }

/**
 * Commits transactions and says of each why it did not happen; a store that cannot write refuses all of them.
 */
export async function commitEach(
  state: RegistrationState,
  transactions: readonly Transaction[],
): Promise<readonly unknown[]> {
  if (transactions.length === 0) return []
  try {
    return await state.store.commit(transactions)
  } catch (error) {
    return transactions.map(() => error)
  }
}

/** Whether a commit was refused because somebody else wrote the record first. */
export function isWriteConflict(error: unknown): boolean {
  return (
    isSpiffeError(error, 'ERR_RECORD_CHANGED') ||
    isSpiffeError(error, 'ERR_RECORD_EXISTS') ||
    isSpiffeError(error, 'ERR_RECORD_NOT_FOUND')
  )
}

/** The error for a change that the store did not take. */
export function notStored(cause: unknown): EntryError {
  return new EntryError('ERR_ENTRY_NOT_STORED', messageOf(cause), { cause })
}

/**
 * Refuses an entry that federates with a trust domain whose bundle is not known.
 *
 * @throws {EntryError} `ERR_ENTRY_BUNDLE_MISSING`
 */
export function checkFederatesWith(
  state: RegistrationState,
  federatesWith: RegistrationEntry['federatesWith'],
): void {
  for (const { name, idString } of federatesWith) {
    if (state.registry.bundles.find(name)) continue
    throw new EntryError(
      'ERR_ENTRY_BUNDLE_MISSING',
      `unable to find federated bundle "${idString}"`,
    )
  }
}

/**
 * The part of a transaction that keeps a bundle from being deleted before an entry that federates with it is there; nothing
 * for an entry that federates with nobody.
 */
export function needingBundles(
  federatesWith: RegistrationEntry['federatesWith'],
): Pick<Transaction, 'holds'> {
  if (federatesWith.length === 0) return {}
  return { holds: ({ isPresent }) => federatesWith.every(({ name }) => isPresent('bundle', name)) }
}
