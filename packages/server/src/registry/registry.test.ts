import { FakeClock } from '@mini-spire/runtime/clock.test-kit'
import { describe, expect, it } from 'vitest'
import { MemoryStore } from '../store/memory/memory-store.ts'
import {
  putEntry,
  testCause,
  testEntry,
  testId,
  testNode,
  testSelectors,
} from '../store/store.test-kit.ts'
import type { Mutation } from '../store/store.ts'
import { Registry } from './registry.ts'

async function opened(): Promise<{
  readonly clock: FakeClock
  readonly registry: Registry
  readonly commit: (...mutations: readonly Mutation[]) => Promise<void>
}> {
  const clock = new FakeClock()
  const store = MemoryStore.create({ clock })
  const registry = new Registry({ clock })
  await store.open((changes) => registry.apply(changes))
  const commit = async (...mutations: readonly Mutation[]): Promise<void> => {
    expect(await store.commit([{ cause: testCause, mutations }])).toEqual([undefined])
  }
  return { clock, registry, commit }
}

const agent = '/spire/agent/a'
const agentId = `${testId(agent)}`
const server = testId('/spire/server')

function putNode(path: string, fields: Parameters<typeof testNode>[1]): Mutation {
  const value = testNode(path, fields)
  return { op: 'put', kind: 'node', key: `${value.spiffeId}`, value, expect: 'any' }
}

describe('page tokens', () => {
  it.each(['bogus', '1', 'AAAAAAABAAAAAAAAAAA', ' ', '\u0000'])('refuses %j', async (pageToken) => {
    const { registry } = await opened()
    expect(() => registry.entries.list({ pageSize: 1, pageToken })).toThrow(
      expect.objectContaining({
        code: 'ERR_PAGE_TOKEN',
        message: `could not parse token '${pageToken}'`,
      }),
    )
  })

  it('refuses a token of another list', async () => {
    const { registry, commit } = await opened()
    await commit(putEntry(testEntry('a')))
    const { nextPageToken: pageToken } = registry.entries.list({ pageSize: 1 })
    expect(() => registry.nodes.list({ pageSize: 1, pageToken })).toThrow(
      expect.objectContaining({ code: 'ERR_PAGE_TOKEN' }),
    )
  })

  it('ignores the token of an unpaged list', async () => {
    const { registry } = await opened()
    expect(registry.entries.list({ pageSize: 0, pageToken: 'bogus' }).entries).toEqual([])
  })

  it('ends a list with an empty page without token; the last full one has one', async () => {
    const { registry, commit } = await opened()
    await commit(putEntry(testEntry('a')), putEntry(testEntry('b')))
    const first = registry.entries.list({ pageSize: 2 })
    expect(first.nextPageToken).not.toBe('')
    const last = registry.entries.list({ pageSize: 2, pageToken: first.nextPageToken })
    expect(last).toEqual({ entries: [], nextPageToken: '' })
  })

  it('goes on at its place when rows around it come and go', async () => {
    const { registry, commit } = await opened()
    await commit(...['a', 'b', 'c', 'd'].map((id) => putEntry(testEntry(id))))
    const { nextPageToken: pageToken } = registry.entries.list({ pageSize: 2 })
    await commit(
      { op: 'delete', kind: 'entry', key: 'a', expect: 'present' },
      { op: 'delete', kind: 'entry', key: 'b', expect: 'present' },
      putEntry(testEntry('e')),
    )
    const { entries } = registry.entries.list({ pageSize: 10, pageToken })
    expect(entries.map(({ id }) => id)).toEqual(['c', 'd', 'e'])
  })

  it('stays right when thousands of rows are removed', async () => {
    const { registry, commit } = await opened()
    const ids = Array.from({ length: 5000 }, (_, at) => `e${at}`)
    await commit(...ids.map((id) => putEntry(testEntry(id))))
    const { nextPageToken: pageToken } = registry.entries.list({ pageSize: 4000 })
    const removed = ids.filter((_, at) => at % 5 !== 0)
    await commit(
      ...removed.map((key): Mutation => ({ op: 'delete', kind: 'entry', key, expect: 'present' })),
    )
    const rest = registry.entries.list({ pageSize: 1000, pageToken }).entries
    expect(rest.map(({ id }) => id)).toEqual(ids.slice(4000).filter((_, at) => at % 5 === 0))
  })
})

describe('authorized entries', () => {
  it('knows nobody by a text that is no SPIFFE ID', async () => {
    const { registry } = await opened()
    expect(registry.entries.authorizedFor('nonsense').size).toBe(0)
  })

  it('gives an alias to nobody, and what is below it to its nodes', async () => {
    const { registry, commit } = await opened()
    const alias = testId('/cluster')
    await commit(
      putNode(agent, { selectors: testSelectors('x:1', 'x:2') }),
      putEntry(
        testEntry('alias', { spiffeId: alias, parentId: server, selectors: testSelectors('x:1') }),
      ),
      putEntry(testEntry('web', { parentId: alias })),
    )
    expect(
      registry.entries
        .authorizedFor(agentId)
        .entries()
        .map(({ id }) => id),
    ).toEqual(['web'])
    expect(registry.entries.authorizedFor(`${server}`).size).toBe(0)
    expect(registry.entries.authorizedFor(`${testId('/spire/agent/b')}`).size).toBe(0)
  })

  it('follows the aliases of a node that it passes, also when an entry comes later', async () => {
    const { registry, commit } = await opened()
    const [nested, alias] = [testId('/nested'), testId('/alias')]
    await commit(
      putEntry(testEntry('nested', { spiffeId: nested, parentId: testId(agent) })),
      putNode('/nested', { selectors: testSelectors('x:1') }),
      putEntry(
        testEntry('alias', { spiffeId: alias, parentId: server, selectors: testSelectors('x:1') }),
      ),
    )
    expect(registry.entries.authorizedFor(agentId).size).toBe(1)
    await commit(putEntry(testEntry('late', { parentId: alias })))
    expect(registry.entries.authorizedFor(agentId).find('late')).toBeDefined()
    await commit({ op: 'delete', kind: 'entry', key: 'alias', expect: 'present' })
    expect(registry.entries.authorizedFor(agentId).find('late')).toBeUndefined()
  })

  it('gives no alias to a node once it is banned or its certificate has expired', async () => {
    const { registry, commit, clock } = await opened()
    const alias = testId('/cluster')
    const selectors = testSelectors('x:1')
    await commit(
      putNode(agent, { selectors, expiresAtSeconds: clock.nowMs() / 1000 + 60 }),
      putEntry(testEntry('alias', { spiffeId: alias, parentId: server, selectors })),
      putEntry(testEntry('web', { parentId: alias })),
    )
    expect(registry.entries.authorizedFor(agentId).size).toBe(1)
    clock.advance(61_000)
    expect(registry.entries.authorizedFor(agentId).size).toBe(0)
    await commit(putNode(agent, { selectors, serialNumber: '' }))
    expect(registry.entries.authorizedFor(agentId).size).toBe(0)
  })

  it('shares one set among the nodes of an alias, and numbers it anew at each change', async () => {
    const { registry, commit } = await opened()
    const alias = testId('/cluster')
    const selectors = testSelectors('x:1')
    await commit(
      putNode(agent, { selectors }),
      putNode('/spire/agent/b', { selectors }),
      putEntry(testEntry('alias', { spiffeId: alias, parentId: server, selectors })),
      putEntry(testEntry('web', { parentId: alias })),
    )
    const before = registry.entries.authorizedFor(agentId)
    expect(registry.entries.authorizedFor(`${testId('/spire/agent/b')}`)).toBe(before)
    const snapshot = before.entries()
    await commit(putEntry(testEntry('web', { parentId: alias, hint: 'x' }), 'present'))
    const after = registry.entries.authorizedFor(agentId)
    expect(after.version).not.toBe(before.version)
    expect(after.find('web')?.hint).toBe('x')
    expect(snapshot[0]?.hint).toBe('')
  })
})

describe('join tokens and journals', () => {
  it('are found by key and gone when deleted', async () => {
    const { registry, commit } = await opened()
    const value = { tokenHash: 'ab', expiresAtSeconds: 5 }
    await commit({ op: 'put', kind: 'join-token', key: 'ab', value, expect: 'absent' })
    expect(registry.joinTokens.find('ab')).toEqual(value)
    await commit({ op: 'delete', kind: 'join-token', key: 'ab', expect: 'present' })
    expect(registry.joinTokens.size).toBe(0)
  })
})
