import { ApiError } from '@mini-spire/runtime/grpc/api-error'
import type { SyncAuthorizedEntriesRequest } from '@mini-spire/runtime/proto/spire/api/server/entry/v1/entry'
import type { EntryMask } from '@mini-spire/runtime/proto/spire/api/types/entry'
import type { RegistrationEntry } from '../../model/registration-entry.ts'
import type { AuthorizedEntries } from '../../registry/authorized-entries.ts'
import type { PageCache, PageForm } from '../../registry/page-cache.ts'
import { maskKey } from './convert.ts'
import { encodeFullPage, encodeRevisionPages, syncPageSize } from './convert-pages.ts'
import { entryMessages } from './messages.ts'

/** The form of revision pages in the cache; masks of entries are numbers from 0 on. */
const revisionForm = -1

/**
 * From how many IDs on the answer is kept for others: an agent that starts asks for page after page of its set in the order
 * of IDs, as every agent with the same set does. What one agent missed is asked for by nobody else.
 */
const sharedRequestSize = 100

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
    const pages = (form: PageForm, encode: () => readonly Uint8Array[]): readonly Uint8Array[] =>
      set.version === version ? cache.get(set, form, encode) : encode()
    if (entries.length <= syncPageSize) {
      yield* pages(maskKey(outputMask), () => [encodeFullPage(entries, outputMask)])
      return
    }
    yield* pages(revisionForm, () => encodeRevisionPages(entries))
    let byId: ReadonlyMap<string, RegistrationEntry> | undefined
    for (let next = await reader.next(); !next.done; next = await reader.next()) {
      const { ids } = next.value
      const encode = (): readonly Uint8Array[] => {
        byId ??= new Map(entries.map((entry) => [entry.id, entry]))
        return requestedPages(byId, ids, outputMask)
      }
      if (ids.length < sharedRequestSize) yield* encode()
      else yield* pages(`${maskKey(outputMask)} ${ids.join()}`, encode)
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
function requestedPages(
  byId: ReadonlyMap<string, RegistrationEntry>,
  ids: readonly string[],
  mask: EntryMask | undefined,
): readonly Uint8Array[] {
  // IDs of entries are ASCII, for which the order of UTF-16 units is the order of bytes.
  const found = [...ids].sort().flatMap((id) => byId.get(id) ?? [])
  const pages: Uint8Array[] = []
  let start = 0
  for (; found.length - start > syncPageSize; start += syncPageSize) {
    pages.push(encodeFullPage(found.slice(start, start + syncPageSize), mask, true))
  }
  pages.push(encodeFullPage(found.slice(start), mask))
  return pages
}
