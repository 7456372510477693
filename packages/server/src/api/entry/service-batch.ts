import type { Logger } from '@mini-spire/runtime/log/logger'
import type {
  BatchCreateEntryRequest,
  BatchCreateEntryResponse,
  BatchCreateEntryResponse_Result,
  BatchDeleteEntryRequest,
  BatchDeleteEntryResponse,
  BatchUpdateEntryRequest,
  BatchUpdateEntryResponse,
  BatchUpdateEntryResponse_Result,
} from '@mini-spire/runtime/proto/spire/api/server/entry/v1/entry'
import type { EntryMask } from '@mini-spire/runtime/proto/spire/api/types/entry'
import { isSpiffeError, type SpiffeError } from '@mini-spire/sdk/errors'
import { GrpcStatus } from '@mini-spire/sdk/grpc-status'
import type { TrustDomain } from '@mini-spire/sdk/spiffe-id'
import { causeOf, type ServerCall } from '../../authorization/caller.ts'
import { type CreateOutcome, createEntries } from '../../registration/create-entry.ts'
import { deleteEntries } from '../../registration/delete-entry.ts'
import type { ItemOutcome, RegistrationState } from '../../registration/registration-state.ts'
import { updateEntries } from '../../registration/update-entry.ts'
import { type ItemStatus, itemFailure, okStatus } from '../failure.ts'
import {
  entryPatchFromProto,
  entryToProto,
  newEntryFromProto,
  writtenEntryToProto,
} from './convert.ts'
import { auditEntry } from './convert-audit.ts'
import { entryMessages } from './messages.ts'

/** What the batch methods work on. */
export interface BatchOptions {
  readonly trustDomain: TrustDomain
  readonly state: RegistrationState
}

/** Creates entries, each by itself; results in the order of the request. */
export async function batchCreateEntry(
  { trustDomain, state }: BatchOptions,
  call: ServerCall,
  { entries, outputMask }: BatchCreateEntryRequest,
): Promise<BatchCreateEntryResponse> {
  const read = entries.map((entry) => readItem(() => newEntryFromProto(trustDomain, entry)))
  const outcomes = await createEntries(state, read.flatMap(valuesOf), causeOf(call, 'entry create'))
  const results = join(read, outcomes, {
    bad: (error): BatchCreateEntryResponse_Result => notConverted(call.log, error),
    good: (outcome, { spiffeId }) => {
      const log = (): Logger => call.log.with({ spiffe_id: String(spiffeId) })
      return createResult(log, outcome, outputMask)
    },
  })
  for (const [index, entry] of entries.entries()) {
    addAudit(call, results[index]?.status, () => auditEntry(entry, undefined))
  }
  return { results }
}

function createResult(
  log: () => Logger,
  outcome: CreateOutcome,
  mask: EntryMask | undefined,
): BatchCreateEntryResponse_Result {
  switch (outcome.kind) {
    case 'created':
      return { status: okStatus, entry: writtenEntryToProto(outcome.entry, mask) }
    case 'similar': {
      const status = { code: GrpcStatus.AlreadyExists, message: entryMessages.similarExists }
      return { status, entry: entryToProto(outcome.entry, mask) }
    }
    case 'failed': {
      const { error } = outcome
      const status = itemFailure(log(), error.kind, entryMessages.createFailed, error)
      return { status, entry: undefined }
    }
    default:
      return outcome satisfies never
  }
}

/** Changes entries, each by itself; results in the order of the request. */
export async function batchUpdateEntry(
  { trustDomain, state }: BatchOptions,
  call: ServerCall,
  { entries, inputMask, outputMask }: BatchUpdateEntryRequest,
): Promise<BatchUpdateEntryResponse> {
  const read = entries.map((entry) =>
    readItem(() => entryPatchFromProto(trustDomain, entry, inputMask)),
  )
  const logOf = (id = ''): Logger => call.log.with({ entry_id: id })
  const outcomes = await updateEntries(state, read.flatMap(valuesOf), causeOf(call, 'entry update'))
  const results = join(read, outcomes, {
    bad: (error, index): BatchUpdateEntryResponse_Result =>
      notConverted(logOf(entries[index]?.id), error),
    good: (outcome, { id }) => updateResult(() => logOf(id), outcome, outputMask),
  })
  for (const [index, entry] of entries.entries()) {
    addAudit(call, results[index]?.status, () => auditEntry(entry, inputMask))
  }
  return { results }
}

function updateResult(
  log: () => Logger,
  outcome: ItemOutcome,
  mask: EntryMask | undefined,
): BatchUpdateEntryResponse_Result {
  if (outcome.kind === 'done') {
    return { status: okStatus, entry: writtenEntryToProto(outcome.entry, mask) }
  }
  const { error } = outcome
  const status = itemFailure(log(), error.kind, entryMessages.updateFailed, error)
  return { status, entry: undefined }
}

/** Deletes entries, each by itself; results in the order of the request. */
export async function batchDeleteEntry(
  { state }: BatchOptions,
  call: ServerCall,
  { ids }: BatchDeleteEntryRequest,
): Promise<BatchDeleteEntryResponse> {
  const given = ids.filter((id) => id !== '')
  const errors = await deleteEntries(state, given, causeOf(call, 'entry delete'))
  let position = 0
  const results = ids.map((id) => {
    const status =
      id === ''
        ? itemFailure(call.log, 'invalid-argument', entryMessages.missingEntryId)
        : deleteStatus(call, id, errors[position++])
    addAudit(call, status, () => ({ entry_id: id }))
    return { status, id }
  })
  return { results }
}

function deleteStatus(call: ServerCall, id: string, error: SpiffeError | undefined): ItemStatus {
  if (!error) return okStatus
  const log = call.log.with({ entry_id: id })
  return error.kind === 'not-found'
    ? itemFailure(log, 'not-found', entryMessages.notFound)
    : itemFailure(log, 'internal', entryMessages.deleteFailed, error)
}

type Read<Value> =
  | { readonly kind: 'value'; readonly value: Value }
  | { readonly kind: 'error'; readonly error: SpiffeError }

function readItem<Value>(read: () => Value): Read<Value> {
  try {
    return { kind: 'value', value: read() }
  } catch (error) {
    if (isSpiffeError(error)) return { kind: 'error', error }
    throw error
  }
}

function valuesOf<Value>(read: Read<Value>): readonly Value[] {
  return read.kind === 'value' ? [read.value] : []
}

/** Puts the outcomes of the items that could be read back between those that could not. */
function join<Value, Outcome, Result>(
  read: readonly Read<Value>[],
  outcomes: readonly Outcome[],
  to: {
    bad(error: SpiffeError, index: number): Result
    good(outcome: Outcome, value: Value): Result
  },
): Result[] {
  let position = 0
  return read.map((item, index) =>
    item.kind === 'error'
      ? to.bad(item.error, index)
      : to.good(outcomes[position++] as Outcome, item.value),
  )
}

function notConverted(
  log: Logger,
  error: SpiffeError,
): { readonly status: ItemStatus; readonly entry: undefined } {
  const status = itemFailure(log, 'invalid-argument', entryMessages.convertFailed, error)
  return { status, entry: undefined }
}

function addAudit(
  call: ServerCall,
  status: ItemStatus | undefined,
  fields: () => Parameters<ServerCall['audit']['addItem']>[0]['fields'],
): void {
  if (call.audit.isEnabled && status) call.audit.addItem({ status, fields: fields() })
}
