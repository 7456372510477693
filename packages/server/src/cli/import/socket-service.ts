import type { ClientOf } from '@mini-spire/runtime/grpc/client'
import type { ServiceDefinition } from '@mini-spire/runtime/grpc/service'
import { BundleService } from '@mini-spire/runtime/proto/spire/api/server/bundle/v1/bundle'
import { EntryService } from '@mini-spire/runtime/proto/spire/api/server/entry/v1/entry'
import { TrustDomainService } from '@mini-spire/runtime/proto/spire/api/server/trustdomain/v1/trustdomain'
import { Bundle } from '@mini-spire/runtime/proto/spire/api/types/bundle'
import { Entry } from '@mini-spire/runtime/proto/spire/api/types/entry'
import { FederationRelationship } from '@mini-spire/runtime/proto/spire/api/types/federationrelationship'
import type { SocketKind } from './socket-records.ts'

/** Gives a client of a service on one of the two servers. */
export type Connect = <D extends ServiceDefinition>(definition: D) => Promise<ClientOf<D>>

/** Pages that stay under the size of a message. */
const pageSize = 500

interface WirePage<Wire> {
  readonly items: readonly Wire[]
  readonly nextPageToken: string
}

/** Bundles of other trust domains. */
export async function bundleKind(ours: Connect, theirs: Connect): Promise<SocketKind<Bundle>> {
  const [own, other] = [await ours(BundleService), await theirs(BundleService)]
  const list = (service: typeof own) =>
    allItems<Bundle>(async (pageToken) => {
      const page = await service.listFederatedBundles({
        outputMask: undefined,
        pageSize,
        pageToken,
      })
      return { items: page.bundles, nextPageToken: page.nextPageToken }
    })
  return {
    kind: 'bundle',
    keyOf: ({ trustDomain }) => trustDomain,
    encode: (bundle) => Bundle.encode(bundle).finish(),
    listOurs: () => gather(list(own)),
    listTheirs: () => list(other),
    create: async (bundles) => {
      const request = { bundle: [...bundles], outputMask: undefined }
      return (await own.batchCreateFederatedBundle(request)).results
    },
  }
}

/** Federation relationships that were made at run time. */
export async function relationshipKind(
  ours: Connect,
  theirs: Connect,
): Promise<SocketKind<FederationRelationship>> {
  const [own, other] = [await ours(TrustDomainService), await theirs(TrustDomainService)]
  const outputMask = {
    bundleEndpointUrl: true,
    bundleEndpointProfile: true,
    trustDomainBundle: false,
  }
  const list = (service: typeof own) =>
    allItems<FederationRelationship>(async (pageToken) => {
      const request = { outputMask, pageSize, pageToken }
      const page = await service.listFederationRelationships(request)
      return { items: page.federationRelationships, nextPageToken: page.nextPageToken }
    })
  return {
    kind: 'federation-relationship',
    keyOf: ({ trustDomain }) => trustDomain,
    encode: (relationship) => FederationRelationship.encode(relationship).finish(),
    listOurs: () => gather(list(own)),
    listTheirs: () => list(other),
    create: async (relationships) => {
      const request = { federationRelationships: [...relationships], outputMask }
      return (await own.batchCreateFederationRelationship(request)).results
    },
  }
}

/** Registration entries, under the same IDs. Revision numbers begin anew, and creation times are those of the import. */
export async function entryKind(ours: Connect, theirs: Connect): Promise<SocketKind<Entry>> {
  const [own, other] = [await ours(EntryService), await theirs(EntryService)]
  const list = (service: typeof own) =>
    allItems<Entry>(async (pageToken) => {
      const request = { filter: undefined, outputMask: undefined, pageSize, pageToken }
      const page = await service.listEntries(request)
      return { items: page.entries, nextPageToken: page.nextPageToken }
    })
  return {
    kind: 'entry',
    keyOf: ({ id }) => id,
    encode: (entry) => Entry.encode(normal(entry)).finish(),
    listOurs: () => gather(list(own)),
    listTheirs: () => list(other),
    create: async (entries) =>
      (await own.batchCreateEntry({ entries: [...entries], outputMask: undefined })).results,
  }
}

/** An entry without what each server counts for itself, and with its sets in one order. */
function normal(entry: Entry): Entry {
  const selectors = entry.selectors.toSorted((a, b) =>
    `${a.type}:${a.value}` < `${b.type}:${b.value}` ? -1 : 1,
  )
  return {
    ...entry,
    selectors,
    federatesWith: entry.federatesWith.toSorted(),
    revisionNumber: 0n,
    createdAt: 0n,
  }
}

async function* allItems<Wire>(
  fetch: (pageToken: string) => Promise<WirePage<Wire>>,
): AsyncGenerator<Wire, void> {
  let pageToken = ''
  do {
    const page = await fetch(pageToken)
    yield* page.items
    pageToken = page.nextPageToken
  } while (pageToken !== '')
}

async function gather<Item>(items: AsyncIterable<Item>): Promise<readonly Item[]> {
  const gathered: Item[] = []
  for await (const item of items) gathered.push(item)
  return gathered
}
