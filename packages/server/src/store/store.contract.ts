import { createHash } from 'node:crypto'
import type { ContractTools } from '@mini-spire/runtime/tools.contract'
import {
  putEntries,
  putEntry,
  RecordedState,
  testCause,
  testEntry,
  testNode,
} from './store.test-kit.ts'
import type { Change, IssuanceRecord, Store, Transaction } from './store.ts'

/** Makes stores for the suite. */
export interface StoreMaker {
  /** A store that is empty and not open. */
  readonly make: () => Promise<Store>
  /** Another store on the same data, after the first was closed; undefined when data ends with the store. */
  readonly reopen?: (() => Promise<Store>) | undefined
}

/** What every store does. */
export function storeContract(tools: ContractTools, name: string, maker: StoreMaker): void {
  const { describe } = tools
  describe(`store ${name}`, () => {
    refusals(tools, maker)
    transactions(tools, maker)
    changeLog(tools, maker)
    issuance(tools, maker)
    if (maker.reopen) restarts(tools, maker, maker.reopen)
  })
}

async function opened(maker: StoreMaker): Promise<{ store: Store; state: RecordedState }> {
  const state = new RecordedState()
  const store = await maker.make()
  await store.open(state.listener)
  return { store, state }
}

function refusals({ it, expect }: ContractTools, maker: StoreMaker): void {
  it('refuses a record that is there already, and changes nothing', async () => {
    const { store, state } = await opened(maker)
    await store.commit([putEntries(testEntry('a'))])
    const before = store.position()
    const results = await store.commit([putEntries(testEntry('a', { hint: 'other' }))])
    expect(results).toMatchObject([{ code: 'ERR_RECORD_EXISTS' }])
    expect(state.get('entry', 'a')?.hint).toBe('')
    expect(store.position()).toEqual(before)
    await store.close()
  })

  it('refuses to change or delete what is not there', async () => {
    const { store } = await opened(maker)
    const gone = testEntry('gone')
    const results = await store.commit([
      { cause: testCause, mutations: [putEntry(gone, 'present')] },
      { cause: testCause, mutations: [putEntry(gone, { unchanged: gone })] },
      {
        cause: testCause,
        mutations: [{ op: 'delete', kind: 'entry', key: 'gone', expect: 'present' }],
      },
    ])
    const refused = { code: 'ERR_RECORD_NOT_FOUND' }
    expect(results).toMatchObject([refused, refused, refused])
    await store.close()
  })

  it('refuses a record that is no longer the one that was read', async () => {
    const { store, state } = await opened(maker)
    const first = testEntry('a')
    await store.commit([putEntries(first)])
    const second = testEntry('a', { revisionNumber: 1 })
    const update: Transaction = {
      cause: testCause,
      mutations: [putEntry(second, { unchanged: first })],
    }
    expect(await store.commit([update, update])).toMatchObject([
      undefined,
      { code: 'ERR_RECORD_CHANGED' },
    ])
    expect(state.get('entry', 'a')?.revisionNumber).toBe(1)
    await store.close()
  })

  it('refuses a whole transaction when one of its mutations cannot be', async () => {
    const { store, state } = await opened(maker)
    await store.commit([putEntries(testEntry('a'))])
    const results = await store.commit([putEntries(testEntry('b'), testEntry('a'))])
    expect(results).toMatchObject([{ code: 'ERR_RECORD_EXISTS' }])
    expect(state.names()).toEqual(['entry a'])
    await store.close()
  })

  it('refuses commits before it is open and after it is closed', async () => {
    const store = await maker.make()
    const commit = () => store.commit([putEntries(testEntry('a'))])
    await expect(commit()).rejects.toMatchObject({ code: 'ERR_STORE_UNAVAILABLE' })
    await store.open(() => {})
    await store.close()
    await expect(commit()).rejects.toMatchObject({ code: 'ERR_STORE_UNAVAILABLE' })
  })

  it('lets one of 200 parallel deletions of a record win', async () => {
    const { store } = await opened(maker)
    await store.commit([putEntries(testEntry('a'))])
    const deletion: Transaction = {
      cause: testCause,
      mutations: [{ op: 'delete', kind: 'entry', key: 'a', expect: 'present' }],
    }
    const results = await Promise.all(Array.from({ length: 200 }, () => store.commit([deletion])))
    expect(results.flat().filter((error) => error === undefined)).toHaveLength(1)
    await store.close()
  })
}

function transactions({ it, expect }: ContractTools, maker: StoreMaker): void {
  it('has told the listener before a commit resolves', async () => {
    const { store, state } = await opened(maker)
    await store.commit([putEntries(testEntry('a'), testEntry('b'))])
    expect(state.names()).toEqual(['entry a', 'entry b'])
    expect(state.changes.map((change) => change.position.revision)).toEqual([1, 2])
    expect(store.position().revision).toBe(2)
    await store.close()
  })

  it('lets a transaction see those before it, in one group and in itself', async () => {
    const { store, state } = await opened(maker)
    const a = testEntry('a')
    const results = await store.commit([
      putEntries(a),
      { cause: testCause, mutations: [putEntry(testEntry('a', { hint: 'x' }), { unchanged: a })] },
      {
        cause: testCause,
        mutations: [
          { op: 'delete', kind: 'entry', key: 'a', expect: 'present' },
          putEntry(testEntry('a', { hint: 'new' }), 'absent'),
        ],
      },
    ])
    expect(results).toEqual([undefined, undefined, undefined])
    expect(state.get('entry', 'a')?.hint).toBe('new')
    await store.close()
  })

  it('asks what must hold besides, and knows of what comes before in the same group', async () => {
    const { store } = await opened(maker)
    await store.commit([putEntries(testEntry('a'))])
    const seen: unknown[] = []
    const asking = (id: string, answer: boolean): Transaction => ({
      ...putEntries(testEntry(id)),
      holds: ({ isPresent, unheard }) => {
        const present = ['a', 'b', 'c', 'd'].filter((key) => isPresent('entry', key))
        seen.push([present, unheard.map(({ key }) => key)])
        return answer
      },
    })
    const results = await store.commit([asking('b', true), asking('c', false), asking('d', true)])
    expect(results).toMatchObject([undefined, { code: 'ERR_RECORD_CHANGED' }, undefined])
    expect(seen).toEqual([
      [['a'], []],
      [['a', 'b'], ['b']],
      [['a', 'b'], ['b']],
    ])
    await store.close()
  })

  it('deletes what may be missing without a change when it is missing', async () => {
    const { store } = await opened(maker)
    const mutations = [{ op: 'delete', kind: 'entry', key: 'a', expect: 'any' }] as const
    expect(await store.commit([{ cause: testCause, mutations }])).toEqual([undefined])
    expect(store.position().revision).toBe(0)
    await store.close()
  })

  it('keeps creation order through updates, and gives a record created again a new place', async () => {
    const { store, state } = await opened(maker)
    await store.commit([putEntries(testEntry('a'), testEntry('b'))])
    await store.commit([
      { cause: testCause, mutations: [putEntry(testEntry('a', { hint: 'x' }), 'present')] },
    ])
    expect(state.changes.at(-1)).toMatchObject({ key: 'a', createdRevision: 1 })
    await store.commit([
      {
        cause: testCause,
        mutations: [{ op: 'delete', kind: 'entry', key: 'a', expect: 'present' }],
      },
      putEntries(testEntry('a')),
    ])
    expect(state.changes.at(-1)).toMatchObject({ key: 'a', createdRevision: 5 })
    await store.close()
  })
}

function changeLog({ it, expect }: ContractTools, maker: StoreMaker): void {
  it('keeps who, why and what of every change, each naming the hash of the one before', async () => {
    const { store } = await opened(maker)
    const a = testEntry('a')
    await store.commit([putEntries(a)])
    await store.commit([
      { cause: testCause, mutations: [putEntry(testEntry('a', { hint: 'x' }), 'present')] },
      {
        cause: { ...testCause, reason: 'entry delete' },
        mutations: [{ op: 'delete', kind: 'entry', key: 'a', expect: 'present' }],
      },
    ])
    const changes = await collect(store.changes(1))
    expect(changes).toMatchObject([
      { kind: 'entry', key: 'a', cause: testCause, position: { revision: 1 } },
      { kind: 'entry', key: 'a', position: { revision: 2 } },
      { kind: 'entry', key: 'a', cause: { reason: 'entry delete' }, position: { revision: 3 } },
    ])
    const [first, second, third] = changes
    expect(first?.before).toHaveLength(0)
    expect(first?.previous).toEqual(Buffer.alloc(32))
    expect(second?.before).toEqual(first?.after)
    expect(third?.before).toEqual(second?.after)
    expect(third?.after).toHaveLength(0)
    expect(new Set(changes.map(({ previous }) => hex(previous))).size).toBe(3)
    expect(changes.every(({ position }) => position.epoch === store.position().epoch)).toBe(true)
    await store.close()
  })

  it('tells changes from any revision on', async () => {
    const { store } = await opened(maker)
    for (const id of ['a', 'b', 'c']) await store.commit([putEntries(testEntry(id))])
    await store.commit([putEntries(testEntry('d'), testEntry('e'), testEntry('f'))])
    const from = async (revision: number) =>
      (await collect(store.changes(revision))).map(({ key }) => key).join('')
    expect(await from(2)).toBe('bcdef')
    expect(await from(5)).toBe('ef')
    expect(await from(7)).toBe('')
    await store.close()
  })
}

function issuance({ it, expect }: ContractTools, maker: StoreMaker): void {
  it('lists what was issued, oldest first, once it is flushed', async () => {
    const { store } = await opened(maker)
    const records = Array.from({ length: 5000 }, (_, at) => issued(`${at}`))
    for (const record of records) store.issuance.append(record)
    await store.issuance.flush()
    const found = await collect(store.issuance.list({ fromMs: 0, toMs: Number.MAX_SAFE_INTEGER }))
    expect(found).toEqual(records)
    expect(await collect(store.issuance.list({ fromMs: 0, toMs: 1 }))).toEqual([])
    await store.close()
  })
}

function restarts(
  { it, expect }: ContractTools,
  maker: StoreMaker,
  reopen: () => Promise<Store>,
): void {
  it('has everything again after a restart, in creation order, at the same position', async () => {
    const { store } = await opened(maker)
    const node = testNode('/spire/agent/x')
    await store.commit([putEntries(testEntry('z'), testEntry('a'), testEntry('m'))])
    await store.commit([
      {
        cause: testCause,
        mutations: [
          { op: 'put', kind: 'node', key: `${node.spiffeId}`, value: node, expect: 'absent' },
          { op: 'delete', kind: 'entry', key: 'm', expect: 'present' },
        ],
      },
    ])
    store.issuance.append(issued('7'))
    const position = store.position()
    await store.close()

    const again = await reopen()
    const state = new RecordedState()
    await again.open(state.listener)
    expect(again.position()).toEqual(position)
    expect(state.names()).toEqual(['entry z', 'entry a', `node ${node.spiffeId}`])
    expect(state.changes.map((change) => change.createdRevision)).toEqual([1, 2, 4])
    expect(state.get('node', `${node.spiffeId}`)).toEqual(node)
    await again.commit([putEntries(testEntry('next'))])
    expect(await collect(again.changes(1))).toHaveLength(6)
    const range = { fromMs: 0, toMs: Number.MAX_SAFE_INTEGER }
    expect(await collect(again.issuance.list(range))).toEqual([issued('7')])
    await again.close()
  })
}

function issued(identifier: string): IssuanceRecord {
  return {
    type: 'x509-svid',
    identifier,
    spiffeId: 'spiffe://example.org/web',
    entryId: 'a',
    requester: 'spiffe://example.org/spire/agent/x',
    issuedAtSeconds: 1_700_000_000,
    expiresAtSeconds: 1_700_003_600,
  }
}

async function collect<Item>(items: AsyncIterable<Item>): Promise<readonly Item[]> {
  const collected: Item[] = []
  for await (const item of items) collected.push(item)
  return collected
}

function hex(bytes: Change['previous']): string {
  return createHash('sha256').update(bytes).digest('hex')
}
