import { type ClientOf, createClient } from '@mini-spire/runtime/grpc/client'
import { EntryService } from '@mini-spire/runtime/proto/spire/api/server/entry/v1/entry'
import type { Entry } from '@mini-spire/runtime/proto/spire/api/types/entry'
import { describe, it } from 'vitest'
import { type EntryRequest, EntryRequests } from './entry-requests.ts'
import { isSpireMissing } from './programs.ts'
import {
  addFederatedBundles,
  allPages,
  expectSameAnswers,
  requestCount,
  seed,
} from './same-answers.ts'

const count = requestCount(3000)

type EntryClient = ClientOf<typeof EntryService>

/** What may differ between two servers is taken out: when an entry was made, and the order of what is a set. */
function comparable(entry: Entry | undefined): unknown {
  if (!entry) return undefined
  return {
    ...entry,
    createdAt: entry.createdAt > 0n,
    federatesWith: [...entry.federatesWith].sort(),
  }
}

async function ask(client: EntryClient, request: EntryRequest): Promise<unknown> {
  switch (request.kind) {
    case 'create': {
      const { entries, mask } = request
      const { results } = await client.batchCreateEntry({ entries, outputMask: mask })
      return results.map(({ status, entry }) => ({ status, entry: comparable(entry) }))
    }
    case 'update': {
      const { results } = await client.batchUpdateEntry(request)
      return results.map(({ status, entry }) => ({ status, entry: comparable(entry) }))
    }
    case 'delete':
      return (await client.batchDeleteEntry({ ids: request.ids })).results
    case 'get':
      return comparable(await client.getEntry({ id: request.id, outputMask: request.mask }))
    case 'list': {
      const { filter, mask, pageSize } = request
      const entries = await allPages(request, async (pageToken) => {
        const page = await client.listEntries({ filter, outputMask: mask, pageSize, pageToken })
        return { items: page.entries, token: page.nextPageToken }
      })
      return entries.map(comparable)
    }
    case 'count':
      return client.countEntries({ filter: request.filter })
    default:
      return request satisfies never
  }
}

describe.skipIf(isSpireMissing())('the Entry service', () => {
  it(`answers ${count} generated requests as SPIRE's does (SEED=${seed})`, async () => {
    await expectSameAnswers<EntryRequest>({
      count,
      source: (chance) => {
        const requests = new EntryRequests(chance)
        return () => requests.next()
      },
      open: async (one) => {
        await addFederatedBundles(one, ['one.org', 'two.org'])
        const client = createClient(EntryService, one.channel)
        return (request) => ask(client, request)
      },
    })
  })
})
