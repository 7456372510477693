import {
  type EntryRevision,
  GetAuthorizedEntriesResponse,
  SyncAuthorizedEntriesResponse,
} from '@mini-spire/runtime/proto/spire/api/server/entry/v1/entry'
import type { EntryMask } from '@mini-spire/runtime/proto/spire/api/types/entry'
import type { RegistrationEntry } from '../../model/registration-entry.ts'
import { int64ToProto } from '../convert-integer.ts'
import { entryToProto } from './convert.ts'

/** Entries on a page of SyncAuthorizedEntries, revisions or full ones alike. Agents count on it. */
export const syncPageSize = 500

/** Encodes the one response that a set of no more than a page needs. */
export function encodeFullPage(
  entries: readonly RegistrationEntry[],
  mask: EntryMask | undefined,
  more = false,
): Uint8Array {
  return SyncAuthorizedEntriesResponse.encode({
    entryRevisions: [],
    entries: entries.map((entry) => entryToProto(entry, mask)),
    more,
  }).finish()
}

/** Encodes the revisions of a set, page by page. */
export function encodeRevisionPages(entries: readonly RegistrationEntry[]): readonly Uint8Array[] {
  const pages: Uint8Array[] = []
  for (let start = 0; start < entries.length; start += syncPageSize) {
    const end = start + syncPageSize
    const entryRevisions = entries.slice(start, end).map(revisionToProto)
    const page = { entryRevisions, entries: [], more: end < entries.length }
    pages.push(SyncAuthorizedEntriesResponse.encode(page).finish())
  }
  return pages
}

/** Encodes the response of GetAuthorizedEntries. */
export function encodeAllEntries(
  entries: readonly RegistrationEntry[],
  mask: EntryMask | undefined,
): Uint8Array {
  return GetAuthorizedEntriesResponse.encode({
    entries: entries.map((entry) => entryToProto(entry, mask)),
  }).finish()
}

function revisionToProto(entry: RegistrationEntry): EntryRevision {
  return {
    id: entry.id,
    revisionNumber: int64ToProto(entry.revisionNumber),
    createdAt: int64ToProto(entry.createdAtSeconds),
  }
}
