import { FakeClock } from '@mini-spire/runtime/clock.test-kit'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { Registry } from '../registry/registry.ts'
import { MemoryStore } from '../store/memory/memory-store.ts'
import { testCause, testEntry, testId } from '../store/store.test-kit.ts'
import type { Store } from '../store/store.ts'
import { StoreError } from '../store/store-error.ts'
import { createEntries } from './create-entry.ts'
import { deleteEntries } from './delete-entry.ts'
import type { NewEntry } from './entry-draft.ts'
import { PendingEntries } from './pending-entries.ts'
import type { RegistrationState } from './registration-state.ts'
import { updateEntries } from './update-entry.ts'

let registry: Registry
let store: Store
let state: RegistrationState
let broken: RegistrationState
beforeEach(async () => {
  const clock = new FakeClock(new Date('2026-03-01T12:00:00.600Z'))
  registry = new Registry({ clock })
  store = MemoryStore.create({ clock })
  await store.open((changes) => registry.apply(changes))
  state = { registry, store, clock, pending: new PendingEntries() }
  const refusal = new StoreError('ERR_STORE_UNAVAILABLE', 'no space left on device')
  broken = { ...state, store: { commit: () => Promise.reject(refusal) } }
})
afterEach(() => store.close())

function draft(over: Partial<NewEntry> = {}): NewEntry {
  const { revisionNumber: _r, createdAtSeconds: _c, ...fields } = testEntry('x')
  return { ...fields, id: '', spiffeId: testId('/web'), ...over }
}
const refused = {
  kind: 'failed',
  error: { code: 'ERR_ENTRY_NOT_STORED', kind: 'internal', message: 'no space left on device' },
}

describe('a store that cannot write', () => {
  it('refuses each item with the reason, changes nothing, and leaves nothing claimed', async () => {
    expect(
      await createEntries(broken, [draft(), draft({ spiffeId: testId('/b') })], testCause),
    ).toMatchObject([refused, refused])
    expect(registry.entries.size).toBe(0)
    const [created] = await createEntries(state, [draft({ id: 'one' })], testCause)
    expect(created).toMatchObject({
      kind: 'created',
      entry: { revisionNumber: 0, createdAtSeconds: 1772366401 },
    })
    const patch = { id: 'one', fields: { hint: 'new' } }
    expect(await updateEntries(broken, [patch], testCause)).toMatchObject([refused])
    expect(await deleteEntries(broken, ['one'], testCause)).toMatchObject([refused.error])
    expect(registry.entries.find('one')).toMatchObject({ hint: '', revisionNumber: 0 })
  })

  it('lets the second of two similar ones try after the first has failed', async () => {
    let isFirst = true
    const flaky: RegistrationState = {
      ...state,
      store: {
        commit: (transactions) => {
          const fails = isFirst
          isFirst = false
          return fails ? broken.store.commit(transactions) : store.commit(transactions)
        },
      },
    }
    const [first, second] = await Promise.all([
      createEntries(flaky, [draft()], testCause),
      createEntries(flaky, [draft()], testCause),
    ])
    expect([first[0]?.kind, second[0]?.kind]).toEqual(['failed', 'created'])
  })
})

describe('an item that cannot be done', () => {
  it.each([
    ['no selectors', { selectors: [] }, 'ERR_ENTRY_MALFORMED', 'missing selector list'],
    ['a DNS name twice', { dnsNames: ['a', 'a'] }, 'ERR_ENTRY_EXISTS', 'dns_names.value'],
  ])('for %s says so, and leaves the others alone', async (_, fields, code, reason) => {
    const error = { code, message: expect.stringContaining(reason) }
    const failed = { kind: 'failed', error }
    const good = draft({ id: 'good' })
    expect(await createEntries(state, [draft(fields), good], testCause)).toMatchObject([
      failed,
      { kind: 'created' },
    ])
    expect(await updateEntries(state, [{ id: 'good', fields }], testCause)).toMatchObject([failed])
    expect(Array.from(registry.entries.values())).toMatchObject([{ id: 'good', revisionNumber: 0 }])
  })

  it('for want of the entry says that it is not found', async () => {
    const missing = { code: 'ERR_ENTRY_NOT_FOUND', kind: 'not-found' }
    const patch = { id: 'none', fields: { hint: 'new' } }
    expect(await updateEntries(state, [patch], testCause)).toMatchObject([
      { kind: 'failed', error: { ...missing, message: 'record not found' } },
    ])
    expect(await deleteEntries(state, ['none'], testCause)).toMatchObject([
      { ...missing, message: 'entry not found' },
    ])
  })
})

describe('creating entries', () => {
  it('writes the cause into the change log, with the actor', async () => {
    await createEntries(state, [draft()], testCause)
    const causes: unknown[] = []
    for await (const change of store.changes(0)) causes.push(change.cause)
    expect(causes).toEqual([testCause])
  })

  it('gives each a fresh ID unless it brings one', async () => {
    const drafts = Array.from({ length: 50 }, (_, n) => draft({ spiffeId: testId(`/${n}`) }))
    const outcomes = await createEntries(state, [...drafts, draft({ id: 'own' })], testCause)
    const ids = outcomes.map((outcome) => outcome.kind === 'created' && outcome.entry.id)
    expect(new Set(ids).size).toBe(51)
    expect(ids.at(-1)).toBe('own')
    expect(ids[0]).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
  })
})
