import type { SpiffeError } from '@mini-spire/sdk/errors'
import type { Cause, Mutation } from '../store/store.ts'
import { EntryError } from './entry-error.ts'
import {
  commitEach,
  isWriteConflict,
  notStored,
  type RegistrationState,
} from './registration-state.ts'

/**
 * Deletes entries by ID, each by itself, with one wait for the disk. An ID that is there twice is deleted once and not
 * found the second time.
 *
 * @returns per ID: undefined when it was deleted, else why not
 */
export async function deleteEntries(
  state: RegistrationState,
  ids: readonly string[],
  cause: Cause,
): Promise<readonly (SpiffeError | undefined)[]> {
  const errors = await commitEach(
    state,
    ids.map((id) => ({ cause, mutations: [deletionOf(id)] })),
  )
  return errors.map((error) => {
    if (error === undefined) return undefined
    if (!isWriteConflict(error)) return notStored(error)
    return new EntryError('ERR_ENTRY_NOT_FOUND', 'entry not found', { cause: error })
  })
}

function deletionOf(id: string): Mutation {
  return { op: 'delete', kind: 'entry', key: id, expect: 'present' }
}
