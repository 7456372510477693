import type { RegistrationEntry } from '../model/registration-entry.ts'
import type { Cause, Transaction } from '../store/store.ts'
import type { EntryPatch } from './entry-draft.ts'
import { EntryError } from './entry-error.ts'
import {
  checkFederatesWith,
  commitEach,
  type ItemOutcome,
  isWriteConflict,
  maxWriteAttempts,
  needingBundles,
  notStored,
  type RegistrationState,
} from './registration-state.ts'
import { checkDuplicates, validatePatch, validatePatched } from './validate-entry.ts'

interface Update {
  readonly index: number
  readonly after: RegistrationEntry
  readonly transaction: Transaction
}

/**
 * Changes entries, each by itself, with one wait for the disk. Each change makes the revision number one larger, even one
 * that changes nothing. Nothing looks for similar entries: a change may make two entries similar, as in SPIRE.
 */
export async function updateEntries(
  state: RegistrationState,
  patches: readonly EntryPatch[],
  cause: Cause,
): Promise<readonly ItemOutcome[]> {
  const outcomes: ItemOutcome[] = []
  let open = patches.map((patch, index) => ({ patch, index }))
  for (let attempt = 1; open.length > 0; attempt++) {
    const updates: Update[] = []
    for (const { patch, index } of open) {
      const result = begin(state, patch, cause)
      if (result instanceof EntryError) outcomes[index] = { kind: 'failed', error: result }
      else updates.push({ index, ...result })
    }
    const errors = await commitEach(
      state,
      updates.map(({ transaction }) => transaction),
    )
    const conflicts = new Set<number>()
    for (const [position, { index, after }] of updates.entries()) {
      const error = errors[position]
      if (error === undefined) outcomes[index] = { kind: 'done', entry: after }
      else if (isWriteConflict(error) && attempt < maxWriteAttempts) conflicts.add(index)
      else outcomes[index] = { kind: 'failed', error: notStored(error) }
    }
    open = open.filter(({ index }) => conflicts.has(index))
  }
  return outcomes
}

function begin(
  state: RegistrationState,
  patch: EntryPatch,
  cause: Cause,
): Omit<Update, 'index'> | EntryError {
  try {
    validatePatch(patch)
    const before = state.registry.entries.find(patch.id)
    if (!before) return new EntryError('ERR_ENTRY_NOT_FOUND', 'record not found')
    const after = { ...before, ...patch.fields, revisionNumber: before.revisionNumber + 1 }
    validatePatched(patch, after.storeSvid)
    checkDuplicates(patch.fields)
    checkFederatesWith(state, patch.fields.federatesWith ?? [])
    return {
      after,
      transaction: {
        cause,
        mutations: [
          { op: 'put', kind: 'entry', key: before.id, value: after, expect: { unchanged: before } },
        ],
        ...needingBundles(patch.fields.federatesWith ?? []),
      },
    }
  } catch (error) {
    if (error instanceof EntryError) return error
    throw error
  }
}
