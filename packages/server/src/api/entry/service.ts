import { ApiError } from '@mini-spire/runtime/grpc/api-error'
import { bindService, type HandlersOf, type ServiceBinding } from '@mini-spire/runtime/grpc/service'
import { EntryService } from '@mini-spire/runtime/proto/spire/api/server/entry/v1/entry'
import { isSpiffeError } from '@mini-spire/sdk/errors'
import type { TrustDomain } from '@mini-spire/sdk/spiffe-id'
import type { ServerCall } from '../../authorization/caller.ts'
import type { RegistrationState } from '../../registration/registration-state.ts'
import type { AuthorizedEntries } from '../../registry/authorized-entries.ts'
import type { EntryFilter } from '../../registry/entry-filter.ts'
import { PageCache } from '../../registry/page-cache.ts'
import { callFailure } from '../failure.ts'
import { entryToProto } from './convert.ts'
import { auditFilter } from './convert-audit.ts'
import { type FilterMessage, filterFromProto } from './convert-filter.ts'
import { encodeAllEntries } from './convert-pages.ts'
import { entryMessages } from './messages.ts'
import { batchCreateEntry, batchDeleteEntry, batchUpdateEntry } from './service-batch.ts'
import { syncAuthorizedEntries } from './service-sync.ts'

/** What the Entry service works on. */
export interface EntryServiceOptions {
  readonly trustDomain: TrustDomain
  readonly state: RegistrationState
  /**
   * What encoded pages for polling agents may take in memory.
   *
   * @default 33554432
   */
  readonly maxCachedPageBytes?: number
}

const defaultMaxCachedPageBytes = 32 * 1024 * 1024

type EntryHandlers = HandlersOf<typeof EntryService, ServerCall>

/** The service `spire.api.server.entry.v1.Entry`. */
export function entryService(options: EntryServiceOptions): ServiceBinding<ServerCall> {
  const { entries } = options.state.registry
  const cache = new PageCache(options.maxCachedPageBytes ?? defaultMaxCachedPageBytes)
  const authorized = (call: ServerCall): AuthorizedEntries => entries.authorizedFor(agentOf(call))
  const handlers: EntryHandlers = {
    countEntries: (call, { filter }) => {
      const read = readFilter(options, call, filter, entryMessages.countFailed)
      return { count: entries.count(read) }
    },
    listEntries: (call, request) => {
      const { outputMask, pageSize, pageToken } = request
      const filter = readFilter(options, call, request.filter, entryMessages.listFailed)
      const page = listPage(options, call, { filter, pageSize, pageToken })
      return {
        entries: page.entries.map((entry) => entryToProto(entry, outputMask)),
        nextPageToken: page.nextPageToken,
      }
    },
    getEntry: (call, { id, outputMask }) => {
      if (id === '') throw callFailure(call.log, 'invalid-argument', entryMessages.missingId)
      call.audit.addFields({ entry_id: id })
      const entry = entries.find(id)
      if (entry) return entryToProto(entry, outputMask)
      throw callFailure(call.log.with({ entry_id: id }), 'not-found', entryMessages.notFound)
    },
    batchCreateEntry: (call, request) => batchCreateEntry(options, call, request),
    batchUpdateEntry: (call, request) => batchUpdateEntry(options, call, request),
    batchDeleteEntry: (call, request) => batchDeleteEntry(options, call, request),
    getAuthorizedEntries: (call, { outputMask }) =>
      encodeAllEntries(authorized(call).entries(), outputMask),
    syncAuthorizedEntries: (call, requests) =>
      syncAuthorizedEntries(authorized(call), requests, cache),
  }
  return bindService(EntryService, handlers)
}

function agentOf(call: ServerCall): string {
  if (call.caller.class === 'agent') return call.caller.spiffeId.toString()
  throw callFailure(call.log, 'internal', entryMessages.noCallerId)
}

function readFilter(
  { trustDomain }: EntryServiceOptions,
  call: ServerCall,
  filter: FilterMessage | undefined,
  failed: string,
): EntryFilter {
  if (filter && call.audit.isEnabled) call.audit.addFields(auditFilter(filter))
  const refuse = (kind: 'invalid-argument' | 'internal', label: string, cause: Error): ApiError =>
    callFailure(call.log, kind, label, cause)
  return filterFromProto({ trustDomain, failed, refuse }, filter)
}

type ListRequest = Parameters<RegistrationState['registry']['entries']['list']>[0]

function listPage(
  { state }: EntryServiceOptions,
  call: ServerCall,
  request: ListRequest,
): ReturnType<RegistrationState['registry']['entries']['list']> {
  try {
    return state.registry.entries.list(request)
  } catch (error) {
    if (!isSpiffeError(error, 'ERR_PAGE_TOKEN')) throw error
    const why = `datastore-sql: rpc error: code = InvalidArgument desc = ${error.message}`
    const cause = new ApiError('internal', why, { cause: error })
    throw callFailure(call.log, 'internal', entryMessages.listFailed, cause)
  }
}
