import { randomUUID } from 'node:crypto'
import { isSpiffeError, type SpiffeError } from '@mini-spire/sdk/errors'
import type { RegistrationEntry } from '../model/registration-entry.ts'
import type { Cause, Transaction } from '../store/store.ts'
import type { NewEntry } from './entry-draft.ts'
import { EntryError } from './entry-error.ts'
import { claimKeys } from './pending-entries.ts'
import {
  checkFederatesWith,
  commitEach,
  needingBundles,
  notStored,
  type RegistrationState,
} from './registration-state.ts'
import { checkDuplicates, entryIdTaken, validateNewEntry } from './validate-entry.ts'

/** How the creation of one entry ended: with the new entry, a similar one that was there, or an error. */
export type CreateOutcome =
  | { readonly kind: 'created'; readonly entry: RegistrationEntry }
  | { readonly kind: 'similar'; readonly entry: RegistrationEntry }
  | { readonly kind: 'failed'; readonly error: SpiffeError }

interface Claim {
  readonly index: number
  readonly entry: RegistrationEntry
  readonly release: () => void
}

/**
 * Creates entries, each by itself, with one wait for the disk. An entry with the SPIFFE ID, parent ID and set of selectors of
 * another is not created; the other one is the result, also when both are asked for at the same time.
 */
export async function createEntries(
  state: RegistrationState,
  entries: readonly NewEntry[],
  cause: Cause,
): Promise<readonly CreateOutcome[]> {
  const outcomes: CreateOutcome[] = []
  let open = entries.map((entry, index) => ({ entry, index }))
  while (open.length > 0) {
    const claims: Claim[] = []
    const waiting: typeof open = []
    for (const item of open) {
      const outcome = begin(state, item.entry, item.index, claims)
      if (outcome === 'wait') waiting.push(item)
      else if (outcome) outcomes[item.index] = outcome
    }
    await commitClaims(state, claims, cause, outcomes)
    // A similar entry of this batch has been decided by now, one of another caller soon will be.
    for (const { entry } of waiting) await state.pending.settled(claimKeys(entry))
    open = waiting
  }
  return outcomes
}

/** Checks an entry and claims it; or says why it needs no commit: its outcome is known, or depends on another caller's. */
function begin(
  state: RegistrationState,
  draft: NewEntry,
  index: number,
  claims: Claim[],
): CreateOutcome | 'wait' | undefined {
  let release: (() => void) | undefined
  try {
    validateNewEntry(draft)
    const { spiffeId, parentId, selectors } = draft
    const similar = state.registry.entries.findSimilar(spiffeId, parentId, selectors)
    if (similar) return { kind: 'similar', entry: similar }
    // Claimed before anything else is looked at: being similar, or having the ID of another, comes first.
    release = state.pending.claim(claimKeys(draft))
    if (!release) return 'wait'
    if (draft.id !== '' && state.registry.entries.find(draft.id)) throw entryIdTaken()
    checkFederatesWith(state, draft.federatesWith)
    checkDuplicates(draft)
  } catch (error) {
    release?.()
    if (error instanceof EntryError) return { kind: 'failed', error }
    throw error
  }
  claims.push({ index, entry: newEntry(state, draft), release })
  return undefined
}

function newEntry(state: RegistrationState, draft: NewEntry): RegistrationEntry {
  return {
    ...draft,
    id: draft.id === '' ? randomUUID() : draft.id,
    revisionNumber: 0,
    createdAtSeconds: Math.round(state.clock.nowMs() / 1000),
  }
}

async function commitClaims(
  state: RegistrationState,
  claims: readonly Claim[],
  cause: Cause,
  outcomes: CreateOutcome[],
): Promise<void> {
  try {
    const transactions = claims.map(({ entry }) => creationOf(entry, cause))
    const errors = await commitEach(state, transactions)
    for (const [position, { index, entry }] of claims.entries()) {
      outcomes[index] = outcomeOf(state, entry, errors[position])
    }
  } finally {
    for (const { release } of claims) release()
  }
}

function creationOf(entry: RegistrationEntry, cause: Cause): Transaction {
  return {
    cause,
    mutations: [{ op: 'put', kind: 'entry', key: entry.id, value: entry, expect: 'absent' }],
    ...needingBundles(entry.federatesWith),
  }
}

function outcomeOf(
  state: RegistrationState,
  entry: RegistrationEntry,
  error: unknown,
): CreateOutcome {
  if (error === undefined) {
    return { kind: 'created', entry: state.registry.entries.find(entry.id) ?? entry }
  }
  return { kind: 'failed', error: refusalOf(state, entry, error) }
}

/** A bundle that was deleted while the entry was on its way to the disk is missed as if it had been missing before. */
function refusalOf(
  state: RegistrationState,
  { federatesWith }: RegistrationEntry,
  error: unknown,
): EntryError {
  if (isSpiffeError(error, 'ERR_RECORD_EXISTS')) return entryIdTaken(error)
  try {
    checkFederatesWith(state, federatesWith)
  } catch (missing) {
    if (missing instanceof EntryError) return missing
  }
  return notStored(error)
}
