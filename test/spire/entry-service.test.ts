import { openUnixChannel } from '@mini-spire/runtime/grpc/channel'
import { type ClientOf, createClient } from '@mini-spire/runtime/grpc/client'
import { GrpcError } from '@mini-spire/runtime/grpc/grpc-error'
import { BundleService } from '@mini-spire/runtime/proto/spire/api/server/bundle/v1/bundle'
import { EntryService } from '@mini-spire/runtime/proto/spire/api/server/entry/v1/entry'
import type { Entry } from '@mini-spire/runtime/proto/spire/api/types/entry'
import { describe, expect, it } from 'vitest'
import { ServerDeployment } from '../kit/deployment.ts'
import { ours, type Program, Scene } from '../kit/processes.ts'
import { isSpireMissing, spire } from './programs.ts'
import { type EntryRequest, EntryRequests, seededRandom } from './same-requests.ts'

const seed = Number(process.env['SEED'] ?? 20_261_124)
const requests = Number(process.env['REQUESTS'] ?? 3000)

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

/** An answer, or the status of the refusal. */
async function ask(client: EntryClient, request: EntryRequest): Promise<unknown> {
  try {
    return await answer(client, request)
  } catch (error) {
    if (!(error instanceof GrpcError)) throw error
    // A comparison that there is not is a number in our text, and the character of that number in SPIRE's.
    const message = error.statusMessage.replace(/(unhandled .* match behavior) .*/, '$1')
    return { code: error.statusCode, message }
  }
}

async function answer(client: EntryClient, request: EntryRequest): Promise<unknown> {
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
    case 'list':
      return allPages(client, request)
    case 'count':
      return client.countEntries({ filter: request.filter })
    default:
      return request satisfies never
  }
}

/** The entries of all pages in order; pages themselves may be cut differently, and tokens are each server's own. */
async function allPages(
  client: EntryClient,
  { filter, mask, pageSize, pageToken }: EntryRequest & { readonly kind: 'list' },
): Promise<unknown> {
  const entries: Entry[] = []
  let token = pageToken
  for (let pages = 0; pages < 1000; pages++) {
    const page = await client.listEntries({ filter, outputMask: mask, pageSize, pageToken: token })
    entries.push(...page.entries)
    if (page.nextPageToken === '') return entries.map(comparable)
    expect(page.entries.length).toBeLessThanOrEqual(pageSize)
    token = page.nextPageToken
  }
  throw new Error('the list does not end')
}

async function openServer(scene: Scene, name: string, program: Program): Promise<EntryClient> {
  const server = await ServerDeployment.start(scene, { name, program })
  const channel = openUnixChannel(server.socket)
  const bundles = createClient(BundleService, channel)
  const own = await bundles.getBundle({ outputMask: undefined })
  const bundle = ['one.org', 'two.org'].map((trustDomain) => ({ ...own, trustDomain }))
  await bundles.batchSetFederatedBundle({ bundle, outputMask: undefined })
  return createClient(EntryService, channel)
}

describe.skipIf(isSpireMissing())('the Entry service', () => {
  it(`answers ${requests} generated requests as SPIRE's does (SEED=${seed})`, async () => {
    if (!spire) return
    await using scene = new Scene()
    const [mine, theirs] = await Promise.all([
      openServer(scene, 'ours', ours.server),
      openServer(scene, 'spire', spire.server),
    ])
    const source = new EntryRequests(seededRandom(seed))
    const differences: unknown[] = []
    for (let index = 0; index < requests && differences.length < 10; index++) {
      const request = source.next()
      const [given, wanted] = await Promise.all([ask(mine, request), ask(theirs, request)])
      try {
        expect(given).toEqual(wanted)
      } catch {
        differences.push({ index, request, given, wanted })
      }
    }
    expect(differences).toEqual([])
  })
})
