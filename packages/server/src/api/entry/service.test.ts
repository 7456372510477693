import { type ClientOf, createClient } from '@mini-spire/runtime/grpc/client'
import {
  BatchCreateEntryRequest,
  BatchUpdateEntryRequest,
  EntryService,
  ListEntriesRequest,
} from '@mini-spire/runtime/proto/spire/api/server/entry/v1/entry'
import { Entry, EntryMask } from '@mini-spire/runtime/proto/spire/api/types/entry'
import { GrpcStatus } from '@mini-spire/sdk/grpc-status'
import { TrustDomain } from '@mini-spire/sdk/spiffe-id'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { testDomain, testEntry } from '../../store/store.test-kit.ts'
import { ApiScene, failureOf } from '../api.test-kit.ts'
import { entryService } from './service.ts'

type EntryInput = Parameters<typeof Entry.fromPartial>[0]

let scene: ApiScene
let client: ClientOf<typeof EntryService>
beforeEach(async () => {
  scene = new ApiScene()
  const channel = await scene.serve(({ state }) => entryService({ trustDomain: testDomain, state }))
  client = createClient(EntryService, channel)
})
afterEach(async () => {
  await scene[Symbol.asyncDispose]()
})

const id = (path: string, trustDomain = 'example.org') => ({ trustDomain, path })
const selectors = (...values: string[]) => values.map((value) => ({ type: 'unix', value }))
const good = (over: EntryInput = {}): EntryInput => ({
  parentId: id('/spire/agent/join_token/one'),
  spiffeId: id('/web'),
  selectors: selectors('uid:1000'),
  ...over,
})

async function create(...entries: EntryInput[]) {
  const request = BatchCreateEntryRequest.fromPartial({ entries })
  return (await client.batchCreateEntry(request)).results
}

async function createOne(entry: EntryInput): Promise<Entry> {
  const [result] = await create(entry)
  if (!result?.entry) throw new Error(result?.status?.message)
  return result.entry
}

async function update(entry: EntryInput, inputMask?: Partial<EntryMask>) {
  const request = BatchUpdateEntryRequest.fromPartial({
    entries: [entry],
    inputMask: inputMask && EntryMask.fromPartial(inputMask),
  })
  return (await client.batchUpdateEntry(request)).results[0]
}

describe('an entry is not created', () => {
  const convert = 'failed to convert entry: '
  const validate = 'failed to create entry: datastore-validation: '
  const invalid = `${validate}invalid registration entry: `
  it.each<[string, EntryInput, number, string]>([
    [
      'without a parent',
      { parentId: undefined },
      3,
      `${convert}invalid parent ID: request must specify SPIFFE ID`,
    ],
    [
      'below a parent of another trust domain',
      { parentId: id('/x', 'other.org') },
      3,
      `${convert}invalid parent ID: "spiffe://other.org/x" is not a member of trust domain "example.org"`,
    ],
    [
      'below the trust domain itself',
      { parentId: id('') },
      3,
      `${convert}invalid parent ID: "spiffe://example.org" is not a member of trust domain "example.org"; path is empty`,
    ],
    [
      'below a malformed parent',
      { parentId: id('x') },
      3,
      `${convert}invalid parent ID: path must have a leading slash`,
    ],
    [
      'without an ID',
      { spiffeId: undefined },
      3,
      `${convert}invalid spiffe ID: request must specify SPIFFE ID`,
    ],
    [
      'with a reserved ID',
      { spiffeId: id('/spire/server') },
      3,
      `${convert}invalid spiffe ID: "spiffe://example.org/spire/server" is not a workload in trust domain "example.org"; path is in the reserved namespace`,
    ],
    [
      'with an empty path',
      { spiffeId: id('') },
      3,
      `${convert}invalid spiffe ID: "spiffe://example.org" is not a workload in trust domain "example.org"; path is empty`,
    ],
    [
      'with an ID of another trust domain',
      { spiffeId: id('/wx', 'other.org') },
      3,
      `${convert}invalid spiffe ID: "spiffe://other.org/wx" is not a member of trust domain "example.org"`,
    ],
    [
      'with upper case in the trust domain',
      { spiffeId: id('/w', 'Example.org') },
      3,
      `${convert}invalid spiffe ID: trust domain characters are limited to lowercase letters, numbers, dots, dashes, and underscores`,
    ],
    [
      'with dot segments',
      { spiffeId: id('/a/../b') },
      3,
      `${convert}invalid spiffe ID: path cannot contain dot segments`,
    ],
    [
      'with a bad DNS name',
      { dnsNames: ['a.', 'b'] },
      3,
      `${convert}invalid DNS name: domain ends with dot`,
    ],
    [
      'with a bad federated name',
      { federatesWith: ['http://a'] },
      3,
      `${convert}invalid federated trust domain: scheme is missing or invalid`,
    ],
    ['without selectors', { selectors: [] }, 3, `${convert}selector list is empty`],
    [
      'with a selector without type',
      { selectors: [{ type: '', value: 'x' }] },
      3,
      `${convert}missing selector type`,
    ],
    [
      'with a colon in a selector type',
      { selectors: [{ type: 'a:b', value: 'x' }] },
      3,
      `${convert}selector type contains ':'`,
    ],
    [
      'with a selector without value',
      { selectors: [{ type: 'a', value: '' }] },
      3,
      `${convert}missing selector value`,
    ],
    [
      'with a hint that is too long in bytes',
      { hint: 'ü'.repeat(513) },
      3,
      `${convert}hint is too long, max length is 1024 characters`,
    ],
    ['with a negative X509-SVID TTL', { x509SvidTtl: -1 }, 3, `${invalid}X509SvidTtl is not set`],
    ['with a negative JWT-SVID TTL', { jwtSvidTtl: -1 }, 3, `${invalid}JwtSvidTtl is not set`],
    [
      'stored, with selectors of two types',
      {
        storeSvid: true,
        selectors: [
          { type: 'a', value: '1' },
          { type: 'b', value: '1' },
        ],
      },
      3,
      `${invalid}selector types must be the same when store SVID is enabled`,
    ],
    [
      'stored and without prefetch',
      { storeSvid: true, additionalAttributes: { disableX509SvidPrefetch: true } },
      3,
      `${validate}specifying cache behaviour is incompatible with storable SVIDs`,
    ],
    ['with an ID of 256 characters', { id: 'a'.repeat(256) }, 3, `${invalid}entry ID too long`],
    ['with an ID with a slash', { id: 'a/b' }, 3, `${invalid}entry ID contains invalid characters`],
    [
      'with an ID with a line feed',
      { id: 'a\n' },
      3,
      `${invalid}entry ID contains invalid characters`,
    ],
    [
      'with a selector twice',
      { selectors: selectors('a', 'a') },
      6,
      'failed to create entry: datastore-sql: UNIQUE constraint failed: selectors.registered_entry_id, selectors.type, selectors.value',
    ],
    [
      'with a DNS name twice',
      { dnsNames: ['a', 'a'] },
      6,
      'failed to create entry: datastore-sql: UNIQUE constraint failed: dns_names.registered_entry_id, dns_names.value',
    ],
    [
      'federating with an unknown trust domain',
      { federatesWith: ['other.org'] },
      13,
      'failed to create entry: unable to find federated bundle "spiffe://other.org"',
    ],
  ])('%s', async (_, over, code, message) => {
    const [result] = await create(good(over))
    expect(result).toEqual({ status: { code, message }, entry: undefined })
    expect(scene.registry.entries.size).toBe(0)
  })

  it('when its ID is taken', async () => {
    await createOne(good({ id: 'one' }))
    const [result] = await create(good({ id: 'one', spiffeId: id('/other') }))
    expect(result).toEqual({
      status: {
        code: 6,
        message:
          'failed to create entry: datastore-sql: UNIQUE constraint failed: registered_entries.entry_id',
      },
      entry: undefined,
    })
  })

  it('when its ID is taken by another of the same batch', async () => {
    const results = await create(good({ id: 'one' }), good({ id: 'one', spiffeId: id('/other') }))
    expect(results.map((result) => result.status?.code)).toEqual([0, 6])
    expect(scene.registry.entries.size).toBe(1)
  })

  it('when a similar one exists, which is the answer', async () => {
    const first = await createOne(good({ selectors: selectors('a', 'b'), hint: 'first' }))
    const [result] = await create(good({ selectors: selectors('b', 'a'), hint: 'second', id: 'x' }))
    expect(result).toEqual({
      status: { code: GrpcStatus.AlreadyExists, message: 'similar entry already exists' },
      entry: first,
    })
  })

  it('twice by 50 callers at once and twice in each batch', async () => {
    const batches = await Promise.all(Array.from({ length: 50 }, () => create(good(), good())))
    const results = batches.flat()
    expect(results.filter(({ status }) => status?.code === 0)).toHaveLength(1)
    expect(new Set(results.map(({ entry }) => entry?.id)).size).toBe(1)
    expect(scene.registry.entries.size).toBe(1)
  })
})

describe('a created entry', () => {
  it('comes back with every field, and the server decides revision and creation time', async () => {
    await scene.put({
      op: 'put',
      kind: 'bundle',
      key: 'other.org',
      expect: 'absent',
      value: {
        trustDomain: TrustDomain.parse('other.org'),
        x509Authorities: [],
        jwtAuthorities: [],
        refreshHintSeconds: 0,
        sequenceNumber: 0,
      },
    })
    const given = good({
      id: 'my-id',
      x509SvidTtl: 60,
      jwtSvidTtl: 61,
      federatesWith: ['spiffe://other.org/x', 'other.org'],
      admin: true,
      downstream: true,
      expiresAt: 2n ** 62n,
      dnsNames: ['b', 'A'],
      hint: 'h',
      revisionNumber: 7n,
      createdAt: 7n,
      additionalAttributes: { disableX509SvidPrefetch: true, jwtSvidIncludeJti: true },
    })
    const entry = await createOne(given)
    const stored = Entry.fromPartial({
      ...given,
      federatesWith: ['other.org'],
      revisionNumber: 0n,
      createdAt: BigInt(scene.clock.nowMs() / 1000),
    })
    // What was written is answered in order; what is read comes as it was given.
    expect(entry).toEqual({ ...stored, dnsNames: ['A', 'b'] })
    expect(await client.getEntry({ id: 'my-id', outputMask: undefined })).toEqual(stored)
  })

  it.each([2n ** 63n - 1n, -(2n ** 63n), -1n, 2n ** 53n])(
    'keeps an expiry of %s',
    async (expiresAt) => {
      expect((await createOne(good({ expiresAt }))).expiresAt).toBe(expiresAt)
    },
  )

  it('has no attributes when it was created with an empty message for them', async () => {
    expect(
      (await createOne(good({ additionalAttributes: {} }))).additionalAttributes,
    ).toBeUndefined()
  })

  it('does not suffer from bad ones in its batch, and results keep their order', async () => {
    const results = await create(
      good({ selectors: [] }),
      good(),
      good({ spiffeId: undefined }),
      good({ hint: 'x' }),
    )
    expect(results.map(({ status }) => status?.code)).toEqual([3, 0, 3, 6])
    expect(scene.audit.items.map(({ status }) => status.code)).toEqual([3, 0, 3, 6])
    expect(scene.audit.items[1]?.fields).toMatchObject({
      spiffe_id: 'spiffe://example.org/web',
      selectors: 'unix:uid:1000',
    })
  })

  it('is shown as the mask says, the ID always', async () => {
    const { id: entryId } = await createOne(good())
    const nothing = EntryMask.fromPartial({})
    expect(await client.getEntry({ id: entryId, outputMask: nothing })).toEqual(
      Entry.fromPartial({ id: entryId }),
    )
    const outputMask = EntryMask.fromPartial({ spiffeId: true })
    expect(await client.getEntry({ id: entryId, outputMask })).toEqual(
      Entry.fromPartial({ id: entryId, spiffeId: id('/web') }),
    )
  })
})

describe('an update', () => {
  it.each<[string, EntryInput, number, string]>([
    ['of an unknown entry', good({ id: 'nope' }), 5, 'failed to update entry'],
    ['without an ID', good(), 5, 'failed to update entry'],
    [
      'with a bad field',
      good({ id: 'nope', selectors: [] }),
      3,
      'failed to convert entry: selector list is empty',
    ],
    [
      'with a negative TTL, before the entry is looked up',
      good({ id: 'nope', x509SvidTtl: -1 }),
      3,
      'failed to update entry: datastore-validation: invalid registration entry: X509SvidTtl is not set',
    ],
  ])('%s is refused', async (_, entry, code, message) => {
    expect(await update(entry)).toEqual({ status: { code, message }, entry: undefined })
  })

  it('looks only at the fields of its input mask', async () => {
    const before = await createOne(good({ hint: 'old', admin: true }))
    const result = await update(
      { id: before.id, hint: 'new' },
      { hint: true, revisionNumber: true },
    )
    expect(result).toEqual({
      status: { code: 0, message: 'OK' },
      entry: { ...before, hint: 'new', revisionNumber: 1n },
    })
  })

  it('without a mask replaces everything', async () => {
    const before = await createOne(
      good({ hint: 'old', admin: true, additionalAttributes: { jwtSvidIncludeJti: true } }),
    )
    const result = await update(good({ id: before.id, spiffeId: id('/new') }))
    expect(result?.entry).toEqual({
      ...before,
      spiffeId: id('/new'),
      hint: '',
      admin: false,
      additionalAttributes: undefined,
      revisionNumber: 1n,
    })
  })

  it('counts the revision up for each of many at once, even if nothing changes', async () => {
    const { id: entryId } = await createOne(good())
    const request = BatchUpdateEntryRequest.fromPartial({
      entries: [{ id: entryId }, { id: entryId }],
      inputMask: EntryMask.fromPartial({}),
    })
    await Promise.all(Array.from({ length: 10 }, () => client.batchUpdateEntry(request)))
    expect(scene.registry.entries.find(entryId)?.revisionNumber).toBe(20)
  })

  it('of store_svid alone does not compare selector types, as in SPIRE', async () => {
    const two = [
      { type: 'a', value: '1' },
      { type: 'b', value: '1' },
    ]
    const { id: entryId } = await createOne(good({ selectors: two }))
    expect(
      (await update({ id: entryId, storeSvid: true }, { storeSvid: true }))?.status?.code,
    ).toBe(0)
    const again = await update({ id: entryId, selectors: two }, { selectors: true })
    expect(again?.status?.code).toBe(3)
  })

  it('may make two entries similar, as in SPIRE', async () => {
    await createOne(good())
    const { id: entryId } = await createOne(good({ spiffeId: id('/b') }))
    expect(
      (await update({ id: entryId, spiffeId: id('/web') }, { spiffeId: true }))?.status?.code,
    ).toBe(0)
  })
})

describe('a deletion', () => {
  it('answers for each ID by itself', async () => {
    const { id: entryId } = await createOne(good())
    const { results } = await client.batchDeleteEntry({ ids: ['', entryId, 'nope', entryId] })
    expect(results).toEqual([
      { id: '', status: { code: 3, message: 'missing entry ID' } },
      { id: entryId, status: { code: 0, message: 'OK' } },
      { id: 'nope', status: { code: 5, message: 'entry not found' } },
      { id: entryId, status: { code: 5, message: 'entry not found' } },
    ])
    expect(scene.registry.entries.size).toBe(0)
    expect(scene.audit.items.map(({ fields }) => fields['entry_id'])).toEqual([
      '',
      entryId,
      'nope',
      entryId,
    ])
  })
})

describe('reading entries', () => {
  it('needs an ID that exists', async () => {
    expect(await failureOf(client.getEntry({ id: '', outputMask: undefined }))).toEqual({
      code: 3,
      message: 'missing ID',
    })
    expect(await failureOf(client.getEntry({ id: 'x', outputMask: undefined }))).toEqual({
      code: 5,
      message: 'entry not found',
    })
  })

  type Filter = NonNullable<Parameters<typeof ListEntriesRequest.fromPartial>[0]>['filter']
  it.each<[string, Filter, number, string]>([
    [
      'parent',
      { byParentId: id('/x', 'other.org') },
      3,
      'malformed parent ID filter: "spiffe://other.org/x" is not a member of trust domain "example.org"',
    ],
    [
      'reserved SPIFFE ID',
      { bySpiffeId: id('/spire/server') },
      3,
      'malformed SPIFFE ID filter: "spiffe://example.org/spire/server" is not a workload in trust domain "example.org"; path is in the reserved namespace',
    ],
    [
      'selector',
      { bySelectors: { selectors: [{ type: '', value: 'x' }] } },
      3,
      'malformed selectors filter: missing selector type',
    ],
    [
      'empty selector set',
      { bySelectors: { selectors: [] } },
      3,
      'malformed selectors filter: empty selector set',
    ],
    [
      'trust domain',
      { byFederatesWith: { trustDomains: [''] } },
      3,
      'malformed federates with filter: trust domain is missing',
    ],
    [
      'empty trust domain set',
      { byFederatesWith: { trustDomains: [] } },
      3,
      'malformed federates with filter: empty trust domain set',
    ],
    [
      'comparison',
      { bySelectors: { selectors: selectors('a'), match: 9 as 0 } },
      13,
      'failed to list entries: datastore-sql: unhandled selectors match behavior "9"',
    ],
  ])('refuses a filter with a bad %s', async (_, filter, code, message) => {
    const request = ListEntriesRequest.fromPartial({ filter })
    expect(await failureOf(client.listEntries(request))).toEqual({ code, message })
    const count = await failureOf(client.countEntries({ filter: request.filter }))
    expect(count).toEqual({ code, message: message.replace('list', 'count') })
  })

  it('refuses a page token that is none', async () => {
    const request = ListEntriesRequest.fromPartial({ pageSize: 1, pageToken: 'bogus' })
    expect(await failureOf(client.listEntries(request))).toEqual({
      code: 13,
      message:
        "failed to list entries: datastore-sql: rpc error: code = InvalidArgument desc = could not parse token 'bogus'",
    })
  })

  it('goes page by page, until an empty page without token', async () => {
    await create(
      ...Array.from({ length: 5 }, (_, n) => good({ id: `e${n}`, spiffeId: id(`/${n}`) })),
    )
    const seen: string[][] = []
    let pageToken = ''
    do {
      const page = await client.listEntries(
        ListEntriesRequest.fromPartial({ pageSize: 2, pageToken }),
      )
      seen.push(page.entries.map((entry) => entry.id))
      pageToken = page.nextPageToken
    } while (pageToken !== '')
    expect(seen).toEqual([['e0', 'e1'], ['e2', 'e3'], ['e4'], []])
  })

  it.each([0, -1, -(2 ** 31), 2 ** 31 - 1])(
    'lists all with a page size of %s',
    async (pageSize) => {
      await create(...Array.from({ length: 3 }, (_, n) => good({ spiffeId: id(`/${n}`) })))
      expect(
        (await client.listEntries(ListEntriesRequest.fromPartial({ pageSize }))).entries,
      ).toHaveLength(3)
    },
  )

  it('combines the conditions of a filter', async () => {
    await create(
      good({ id: 'a', hint: 'x', downstream: true }),
      good({ id: 'b', hint: 'x', spiffeId: id('/b'), selectors: selectors('p', 'q') }),
      good({ id: 'c', spiffeId: id('/c'), parentId: id('/p') }),
    )
    const idsOf = async (filter: Filter) =>
      (await client.listEntries(ListEntriesRequest.fromPartial({ filter }))).entries.map(
        (entry) => entry.id,
      )
    expect(await idsOf({ byHint: 'x' })).toEqual(['a', 'b'])
    expect(await idsOf({ byHint: '' })).toEqual(['a', 'b', 'c'])
    expect(await idsOf({ byHint: 'x', byDownstream: true })).toEqual(['a'])
    expect(await idsOf({ byDownstream: false })).toEqual(['a', 'b', 'c'])
    expect(await idsOf({ byParentId: id('/p') })).toEqual(['c'])
    expect(await idsOf({ bySpiffeId: id('/b') })).toEqual(['b'])
    expect(await idsOf({ bySelectors: { selectors: selectors('p'), match: 2 } })).toEqual(['b'])
    expect(await idsOf({ bySelectors: { selectors: selectors('p'), match: 0 } })).toEqual([])
    expect(
      await client.countEntries(ListEntriesRequest.fromPartial({ filter: { byHint: 'x' } })),
    ).toEqual({ count: 2 })
    expect(scene.audit.fields).toEqual({ hint: 'x' })
  })

  it('lists an entry that has expired, until it is pruned', async () => {
    await scene.put({
      op: 'put',
      kind: 'entry',
      key: 'e',
      expect: 'absent',
      value: testEntry('e', { expiresAtSeconds: 1 }),
    })
    expect(await client.countEntries({ filter: undefined })).toEqual({ count: 1 })
  })
})
