import { type ClientOf, createClient } from '@mini-spire/runtime/grpc/client'
import {
  EntryService,
  SyncAuthorizedEntriesRequest,
  type SyncAuthorizedEntriesResponse,
} from '@mini-spire/runtime/proto/spire/api/server/entry/v1/entry'
import { EntryMask } from '@mini-spire/runtime/proto/spire/api/types/entry'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { RegistrationEntry } from '../../model/registration-entry.ts'
import { putEntry, testCause, testDomain, testEntry, testId } from '../../store/store.test-kit.ts'
import { ApiScene, failureOf } from '../api.test-kit.ts'
import { entryService } from './service.ts'

const agentId = testId('/spire/agent/join_token/one')
type RequestInput = Parameters<typeof SyncAuthorizedEntriesRequest.fromPartial>[0]

let scene: ApiScene
let client: ClientOf<typeof EntryService>
beforeEach(async () => {
  scene = new ApiScene()
  const channel = await scene.serve(({ state }) => entryService({ trustDomain: testDomain, state }))
  client = createClient(EntryService, channel)
  scene.caller = { class: 'agent', spiffeId: agentId }
})
afterEach(async () => {
  await scene[Symbol.asyncDispose]()
})

/** Entries `e0000`, `e0001` … of the agent, created in an order that is not that of their IDs. */
async function fill(count: number, fields: Partial<RegistrationEntry> = {}): Promise<void> {
  const names = Array.from({ length: count }, (_, n) => `e${String(n).padStart(4, '0')}`)
  const mutations = names.reverse().map((name) => putEntry(testEntry(name, fields)))
  await scene.store.commit([{ cause: testCause, mutations }])
}

/** A conversation: `next` sends a request and reads responses until there is no more. */
function converse() {
  const queue: SyncAuthorizedEntriesRequest[] = []
  let wake = (): void => {}
  let isDone = false
  async function* requests() {
    for (;;) {
      const request = queue.shift()
      if (request) yield request
      else if (isDone) return
      else
        await new Promise<void>((resolve) => {
          wake = resolve
        })
    }
  }
  const responses = client.syncAuthorizedEntries(requests())[Symbol.asyncIterator]()
  return {
    responses,
    end() {
      isDone = true
      wake()
    },
    async next(request: RequestInput): Promise<SyncAuthorizedEntriesResponse[]> {
      queue.push(SyncAuthorizedEntriesRequest.fromPartial(request))
      wake()
      const pages: SyncAuthorizedEntriesResponse[] = []
      for (;;) {
        const page = await responses.next()
        if (page.done) return pages
        pages.push(page.value)
        if (!page.value.more) return pages
      }
    },
  }
}

async function* only(...requests: RequestInput[]) {
  for (const request of requests) yield SyncAuthorizedEntriesRequest.fromPartial(request)
}

async function all(responses: AsyncIterable<SyncAuthorizedEntriesResponse>) {
  const list: SyncAuthorizedEntriesResponse[] = []
  for await (const response of responses) list.push(response)
  return list
}

describe('SyncAuthorizedEntries refuses', () => {
  it.each<[string, RequestInput[], number, string]>([
    ['a stream without any request', [], 2, 'EOF'],
    [
      'IDs in the first request',
      [{ ids: ['x'] }],
      3,
      'specifying IDs on initial request is not supported',
    ],
    [
      'a first mask without revision number',
      [{ outputMask: { hint: true } }],
      3,
      'revision number cannot be masked',
    ],
  ])('%s', async (_, requests, code, message) => {
    expect(await failureOf(all(client.syncAuthorizedEntries(only(...requests))))).toEqual({
      code,
      message,
    })
  })

  it('a caller who is no agent, should one ever get here', async () => {
    scene.caller = { class: 'local', uid: 1, gid: 1, pid: 1 }
    expect(await failureOf(all(client.syncAuthorizedEntries(only({}))))).toEqual({
      code: 13,
      message: 'caller ID missing from request context',
    })
  })
})

describe('SyncAuthorizedEntries with no more entries than a page', () => {
  it.each([0, 1, 500])(
    'sends all %s of them in one response, and ends the stream',
    async (count) => {
      await fill(count)
      const talk = converse()
      const [page, ...others] = await talk.next({})
      expect(others).toEqual([])
      expect(page?.entries).toHaveLength(count)
      expect(page?.entryRevisions).toEqual([])
      expect(await talk.responses.next()).toMatchObject({ done: true })
      talk.end()
    },
  )

  it('masks them as asked, and sees each change at the next stream', async () => {
    await fill(2, { hint: 'h' })
    const outputMask = EntryMask.fromPartial({ revisionNumber: true, hint: true })
    const [before] = await all(client.syncAuthorizedEntries(only({ outputMask })))
    expect(before?.entries.map(({ hint, spiffeId }) => [hint, spiffeId])).toEqual([
      ['h', undefined],
      ['h', undefined],
    ])
    const [unmasked] = await all(client.syncAuthorizedEntries(only({})))
    expect(unmasked?.entries[0]?.spiffeId).toBeDefined()
    await scene.put({ op: 'delete', kind: 'entry', key: 'e0000', expect: 'present' })
    const [after] = await all(client.syncAuthorizedEntries(only({ outputMask })))
    expect(after?.entries.map(({ id }) => id)).toEqual(['e0001'])
    const changed = testEntry('e0001', { hint: 'new', revisionNumber: 1 })
    await scene.put(putEntry(changed, 'present'))
    const [last] = await all(client.syncAuthorizedEntries(only({ outputMask })))
    expect(last?.entries.map(({ hint, revisionNumber }) => [hint, revisionNumber])).toEqual([
      ['new', 1n],
    ])
  })

  it('gives another agent nothing of them', async () => {
    await fill(3)
    scene.caller = { class: 'agent', spiffeId: testId('/spire/agent/join_token/two') }
    expect((await all(client.syncAuthorizedEntries(only({}))))[0]?.entries).toEqual([])
    expect((await client.getAuthorizedEntries({ outputMask: undefined })).entries).toEqual([])
  })
})

describe('SyncAuthorizedEntries with more than a page', () => {
  it('sends revisions in pages of 500, then what is asked for, from the moment the stream was opened', async () => {
    await fill(1203)
    const talk = converse()
    const revisions = await talk.next({})
    expect(
      revisions.map(({ entryRevisions, entries, more }) => [
        entryRevisions.length,
        entries.length,
        more,
      ]),
    ).toEqual([
      [500, 0, true],
      [500, 0, true],
      [203, 0, false],
    ])
    const ids = revisions.flatMap(({ entryRevisions }) => entryRevisions.map(({ id }) => id))
    expect(new Set(ids).size).toBe(1203)
    expect(revisions[0]?.entryRevisions[0]).toMatchObject({
      revisionNumber: 0n,
      createdAt: 1_700_000_000n,
    })

    await scene.put({ op: 'delete', kind: 'entry', key: 'e0001', expect: 'present' })
    const [some] = await talk.next({
      ids: ['e0003', 'nope', 'e0001', 'e0003'],
      outputMask: { hint: true },
    })
    expect(some?.entries.map(({ id }) => id)).toEqual(['e0001', 'e0003', 'e0003'])
    expect(some?.entries[0]?.spiffeId).toEqual({
      trustDomain: 'example.org',
      path: '/workload/e0001',
    })

    const pages = await talk.next({ ids })
    expect(pages.map(({ entries, more }) => [entries.length, more])).toEqual([
      [500, true],
      [500, true],
      [203, false],
    ])
    expect(pages.flatMap(({ entries }) => entries.map(({ id }) => id))).toEqual([...ids].sort())

    const exact = await talk.next({ ids: ids.slice(0, 500) })
    expect(exact.map(({ entries, more }) => [entries.length, more])).toEqual([[500, false]])
    expect(await talk.next({ ids: ['nope'] })).toMatchObject([{ entries: [], more: false }])
    expect(await talk.next({})).toMatchObject([{ entries: [], entryRevisions: [], more: false }])
    talk.end()
    expect(await talk.responses.next()).toMatchObject({ done: true })
  })

  it('answers what agents with the same set ask for alike, and anew once the set or the mask is another', async () => {
    await fill(600)
    const ids = Array.from({ length: 500 }, (_, n) => `e${String(n).padStart(4, '0')}`)
    const hintsOf = async (outputMask?: EntryMask): Promise<(string | undefined)[]> => {
      const talk = converse()
      await talk.next({ outputMask })
      const pages = await talk.next({ ids })
      talk.end()
      const found = pages.flatMap(({ entries }) => entries)
      expect(found.map(({ id }) => id)).toEqual(ids)
      return found.map(({ hint }) => hint)
    }
    expect(new Set(await hintsOf())).toEqual(new Set(['']))
    expect(await hintsOf()).toHaveLength(500)
    await scene.put({ ...putEntry(testEntry('e0007', { hint: 'changed' })), expect: 'present' })
    expect((await hintsOf())[7]).toBe('changed')
    expect((await hintsOf(EntryMask.fromPartial({ revisionNumber: true })))[7]).toBe('')
    expect((await hintsOf())[7]).toBe('changed')
  })

  it('GetAuthorizedEntries sends them all at once', async () => {
    await fill(501)
    const outputMask = EntryMask.fromPartial({})
    const { entries } = await client.getAuthorizedEntries({ outputMask })
    expect(entries).toHaveLength(501)
    expect(entries[0]?.spiffeId).toBeUndefined()
  })
})
