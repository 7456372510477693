import { SpiffeId, TrustDomain } from '@mini-spire/sdk/spiffe-id'
import { describe, expect, it } from 'vitest'
import type { AgentEntry } from '../model/agent-entry.ts'
import type { TrustBundle } from '../model/trust-bundle.ts'
import type { EntryListing, ServerApi } from '../server-api/server-api.ts'
import { EntryPuller } from './pull-entries.ts'

const signal = new AbortController().signal

function bundle(name: string): TrustBundle {
  return {
    trustDomain: TrustDomain.parse(name),
    x509Authorities: [],
    jwtAuthorities: [],
    refreshHintSeconds: 0,
    sequenceNumber: 0,
  }
}

function entry(
  id: string,
  revisionNumber: number,
  createdAtSeconds = 1,
  federates: string[] = [],
): AgentEntry {
  return {
    id,
    spiffeId: SpiffeId.parse(`spiffe://example.org/${id}`),
    selectors: [{ type: 'unix', value: 'uid:1' }],
    federatesWith: federates.map((name) => TrustDomain.parse(name)),
    admin: false,
    downstream: false,
    revisionNumber,
    storeSvid: false,
    hint: '',
    createdAtSeconds,
    disableX509SvidPrefetch: false,
  }
}

/** What a server has, how it lists it, and what it was asked for. */
class FakeApi {
  entries: AgentEntry[] = []
  isPaged = true
  unknownDomains = new Set<string>()
  failure: Error | undefined
  readonly asked: string[] = []
  readonly api = {
    syncEntries: async (_: AbortSignal, use) =>
      use({ listing: this.#listing(), fetch: (ids) => this.#fetch(ids) }),
    getAuthorizedEntries: async () => this.entries.map((one) => ({ ...one })),
    getBundle: async () => {
      if (this.failure) throw this.failure
      return bundle('example.org')
    },
    findFederatedBundle: async ({ name }) =>
      this.unknownDomains.has(name) ? undefined : bundle(name),
  } as Partial<ServerApi> as ServerApi

  #listing(): EntryListing {
    return this.isPaged
      ? { kind: 'revisions', revisions: this.entries }
      : { kind: 'entries', entries: this.entries.map((one) => ({ ...one })) }
  }

  async *#fetch(ids: readonly string[]): AsyncGenerator<readonly AgentEntry[]> {
    this.asked.push(...ids)
    yield this.entries.filter(({ id }) => ids.includes(id))
  }
}

async function pulled(server: FakeApi, puller: EntryPuller): Promise<string> {
  const { entries } = await puller.pull(signal)
  server.asked.push('|')
  return [...entries.values()].map(({ id, revisionNumber }) => `${id}${revisionNumber}`).join()
}

describe('a synchronisation', () => {
  it('asks only for what is new, was changed, or was made anew under the same ID', async () => {
    const server = new FakeApi()
    const puller = new EntryPuller({ server: server.api, usesSync: true })
    server.entries = [entry('a', 0), entry('b', 0), entry('c', 0)]
    expect(await pulled(server, puller)).toBe('a0,b0,c0')
    server.entries = [entry('a', 1), entry('b', 0, 2), entry('c', 0, 0), entry('d', 0)]
    await pulled(server, puller)
    expect(server.asked.join('')).toBe('abc|abd|')
  })

  it('drops what is not listed any more, and what is listed but not sent', async () => {
    const server = new FakeApi()
    const puller = new EntryPuller({ server: server.api, usesSync: true })
    server.entries = [entry('a', 0), entry('b', 0)]
    await pulled(server, puller)
    server.entries = [entry('b', 0)]
    expect(await pulled(server, puller)).toBe('b0')
  })

  it.each([true, false])(
    'keeps entries that did not change the same objects (sync: %s)',
    async (usesSync) => {
      const server = new FakeApi()
      server.isPaged = false
      server.entries = [entry('a', 0), entry('b', 0)]
      const puller = new EntryPuller({ server: server.api, usesSync })
      const before = (await puller.pull(signal)).entries
      server.entries = [entry('a', 0), entry('b', 1)]
      const after = (await puller.pull(signal)).entries
      expect(after.get('a')).toBe(before.get('a'))
      expect(after.get('b')?.revisionNumber).toBe(1)
    },
  )

  it('brings each federated bundle once, and goes without those the server does not have', async () => {
    const server = new FakeApi()
    server.entries = [entry('a', 0, 1, ['x.org', 'y.org']), entry('b', 0, 1, ['y.org', 'z.org'])]
    server.unknownDomains.add('z.org')
    const { federatedBundles } = await new EntryPuller({ server: server.api, usesSync: true }).pull(
      signal,
    )
    expect(federatedBundles.map(({ trustDomain }) => trustDomain.name).sort()).toEqual([
      'x.org',
      'y.org',
    ])
  })

  it('that fails at the bundles asks for the same entries again', async () => {
    const server = new FakeApi()
    const puller = new EntryPuller({ server: server.api, usesSync: true })
    server.entries = [entry('a', 0)]
    server.failure = new Error('away')
    await expect(puller.pull(signal)).rejects.toThrow('away')
    server.failure = undefined
    await pulled(server, puller)
    expect(server.asked.join('')).toBe('aa|')
  })
})
