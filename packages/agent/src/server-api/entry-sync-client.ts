import type { Logger } from '@mini-spire/runtime/log/logger'
import type {
  SyncAuthorizedEntriesRequest,
  SyncAuthorizedEntriesResponse,
} from '@mini-spire/runtime/proto/spire/api/server/entry/v1/entry'
import type { AgentEntry, EntryRevision } from '../model/agent-entry.ts'
import { entriesFromProto, entryMask, revisionsFromProto } from './convert.ts'
import type { EntryListing, EntrySync } from './server-api.ts'
import { ServerApiError } from './server-api-error.ts'

/** Opens a SyncAuthorizedEntries stream. */
export type OpenSyncStream = (
  requests: AsyncIterable<SyncAuthorizedEntriesRequest>,
) => AsyncIterable<SyncAuthorizedEntriesResponse>

/** Runs one synchronisation: the listing, then what `use` fetches, then the stream is closed. */
export async function syncEntries<T>(
  open: OpenSyncStream,
  log: Logger,
  use: (sync: EntrySync) => Promise<T>,
): Promise<T> {
  const stream = new SyncStream(open, log)
  try {
    const result = await use(await stream.begin())
    await stream.finish()
    return result
  } catch (error) {
    await stream.cancel()
    throw error
  }
}

class SyncStream {
  readonly #log: Logger
  readonly #responses: AsyncIterator<SyncAuthorizedEntriesResponse>
  #pending: ((request: SyncAuthorizedEntriesRequest | undefined) => void) | undefined
  #next: Promise<SyncAuthorizedEntriesRequest | undefined> = this.#nextRequest()
  #pageSize = 0

  constructor(open: OpenSyncStream, log: Logger) {
    this.#log = log
    this.#responses = open(this.#requests())[Symbol.asyncIterator]()
  }

  async begin(): Promise<EntrySync> {
    this.#send({ outputMask: entryMask, ids: [] })
    return { listing: await this.#listing(), fetch: (ids) => this.#fetch(ids) }
  }

  /** Closes our side and waits for the server to close its own. */
  async finish(): Promise<void> {
    this.#send(undefined)
    while (!(await this.#responses.next()).done);
  }

  async cancel(): Promise<void> {
    this.#send(undefined)
    await this.#responses.return?.()
  }

  async #listing(): Promise<EntryListing> {
    const first = await this.#receive()
    if (first.entryRevisions.length === 0) return { kind: 'entries', entries: this.#usable(first) }
    this.#pageSize = first.entryRevisions.length
    const revisions: EntryRevision[] = [...revisionsFromProto(first.entryRevisions)]
    for (let page = first; page.more; ) {
      page = await this.#receive()
      if (page.entries.length > 0) throw unexpected('entry in response receiving entry revisions')
      revisions.push(...revisionsFromProto(page.entryRevisions))
    }
    return { kind: 'revisions', revisions }
  }

  async *#fetch(ids: readonly string[]): AsyncGenerator<readonly AgentEntry[], void, undefined> {
    const sorted = [...ids].sort()
    for (let start = 0; start < sorted.length; start += this.#pageSize) {
      const page = sorted.slice(start, start + this.#pageSize)
      this.#send({ outputMask: undefined, ids: page })
      for (let isLast = false; !isLast; ) {
        const response = await this.#receive()
        if (response.entryRevisions.length > 0)
          throw unexpected('entry revisions in response while requesting entries')
        isLast = !response.more
        yield this.#usable(response)
      }
    }
  }

  #usable(response: SyncAuthorizedEntriesResponse): readonly AgentEntry[] {
    return entriesFromProto(response.entries, (id, reason) =>
      this.#log.warn(
        'Received malformed entry from SPIRE server; are the server and agent versions compatible?',
        {
          entry: id,
          error: reason,
        },
      ),
    )
  }

  async #receive(): Promise<SyncAuthorizedEntriesResponse> {
    const { value, done } = await this.#responses.next()
    if (done) throw unexpected('end of the stream')
    return value
  }

  #send(request: SyncAuthorizedEntriesRequest | undefined): void {
    this.#pending?.(request)
  }

  #nextRequest(): Promise<SyncAuthorizedEntriesRequest | undefined> {
    return new Promise((resolve) => (this.#pending = resolve))
  }

  async *#requests(): AsyncGenerator<SyncAuthorizedEntriesRequest, void, undefined> {
    for (;;) {
      const request = await this.#next
      if (!request) return
      this.#next = this.#nextRequest()
      yield request
    }
  }
}

function unexpected(what: string): ServerApiError {
  return new ServerApiError('ERR_SERVER_ANSWER', `unexpected ${what}`)
}
