import { ApiError } from '@mini-spire/runtime/grpc/api-error'
import type { SyncAuthorizedEntriesRequest } from '@mini-spire/runtime/proto/spire/api/server/entry/v1/entry'
import type { EntryMask } from '@mini-spire/runtime/proto/spire/api/types/entry'
import type { RegistrationEntry } from '../../model/registration-entry.ts'
import type { AuthorizedEntries } from '../../registry/authorized-entries.ts'
import { maskKey } from './convert.ts'
import { encodeFullPage, encodeRevisionPages, syncPageSize } from './convert-pages.ts'
import { entryMessages } from './messages.ts'
import type { PageCache } from './page-cache.ts'

/** The form of revision pages in the cache; masks of entries are numbers from 0 on. */
const revisionForm = -1

/**
 * Answers an agent that synchronizes: everything at once when it fits a page, else revisions, then the entries it asks for.
 *
 * The set is that of the moment the stream opens, and never changes during it. The mask of the first request is used
 * throughout. With everything sent at once the stream ends.
 */
export async function* syncAuthorizedEntries(
  set: AuthorizedEntries,
  requests: AsyncIterable<SyncAuthorizedEntriesRequest>,
  cache: PageCache,
): AsyncGenerator<Uint8Array, void> {
  const entries = set.entries()
  const { version } = set
  const reader = requests[Symbol.asyncIterator]()
  try {
    const first = await reader.next()
    if (first.done) throw new ApiError('unknown', entryMessages.endOfStream)
    const { outputMask } = first.value
    checkFirstRequest(first.value)
    const isCurrent = set.version === version
    const pages = (form: number, encode: () => readonly Uint8Array[]): readonly Uint8Array[] =>
      isCurrent ? cache.get(set, form, encode) : encode()
    if (entries.length <= syncPageSize) {
      yield* pages(maskKey(outputMask), () => [encodeFullPage(entries, outputMask)])
      return
    }
    yield* pages(revisionForm, () => encodeRevisionPages(entries))
    let byId: ReadonlyMap<string, RegistrationEntry> | undefined
    for (let next = await reader.next(); !next.done; next = await reader.next()) {
      byId ??= new Map(entries.map((entry) => [entry.id, entry]))
      yield* requestedPages(byId, next.value.ids, outputMask)
    }
  } finally {
    await reader.return?.()
  }
}

function checkFirstRequest({ ids, outputMask }: SyncAuthorizedEntriesRequest): void {
  if (ids.length > 0) throw new ApiError('invalid-argument', entryMessages.initialIds)
  if (outputMask && !outputMask.revisionNumber) {
    throw new ApiError('invalid-argument', entryMessages.maskedRevision)
  }
}

/**
 * Full entries by ID, in byte order of the IDs; unknown ones are left out. The last page is always sent, even empty.
 */
function* requestedPages(
  byId: ReadonlyMap<string, RegistrationEntry>,
  ids: readonly string[],
  mask: EntryMask | undefined,
): Generator<Uint8Array, void> {
  // IDs of entries are ASCII, for which the order of UTF-16 units is the order of bytes.
  const found = [...ids].sort().flatMap((id) => byId.get(id) ?? [])
  let start = 0
  for (; found.length - start > syncPageSize; start += syncPageSize) {
    yield encodeFullPage(found.slice(start, start + syncPageSize), mask, true)
  }
  yield encodeFullPage(found.slice(start), mask)
}
