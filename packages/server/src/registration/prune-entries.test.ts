import { FakeClock } from '@mini-spire/runtime/clock.test-kit'
import { silentLogger } from '@mini-spire/runtime/log/logger'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { Registry } from '../registry/registry.ts'
import { MemoryStore } from '../store/memory/memory-store.ts'
import { putEntries, putEntry, testCause, testEntry } from '../store/store.test-kit.ts'
import type { Store } from '../store/store.ts'
import { PendingEntries } from './pending-entries.ts'
import { pruneEntries, pruneEntriesPeriodically, pruneIntervalMs } from './prune-entries.ts'
import type { RegistrationState } from './registration-state.ts'

let clock: FakeClock
let registry: Registry
let store: Store
let state: RegistrationState
let nowSeconds: number
beforeEach(async () => {
  clock = new FakeClock()
  nowSeconds = clock.nowMs() / 1000
  registry = new Registry({ clock })
  store = MemoryStore.create({ clock })
  await store.open((changes) => registry.apply(changes))
  state = { registry, store, clock, pending: new PendingEntries() }
})
afterEach(() => store.close())

const ids = (): readonly string[] => Array.from(registry.entries.values(), ({ id }) => id)

/** Lets what is under way go on until something holds. */
async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise((resolve) => setImmediate(resolve))
}

describe('pruning', () => {
  it('deletes what expired before now, and nothing else', async () => {
    await store.commit([
      putEntries(
        testEntry('never'),
        testEntry('now', { expiresAtSeconds: nowSeconds }),
        testEntry('later', { expiresAtSeconds: nowSeconds + 1 }),
        testEntry('past', { expiresAtSeconds: nowSeconds - 1 }),
        testEntry('negative', { expiresAtSeconds: -5 }),
      ),
    ])
    const lines: unknown[] = []
    const log = { ...silentLogger, info: (...line: unknown[]) => void lines.push(line) }
    expect(await pruneEntries(state, log)).toBe(2)
    expect(ids()).toEqual(['never', 'now', 'later'])
    // The fields of SPIRE's line, its subsystem included.
    const fields = { subsystem_name: 'sql', parent_id: expect.any(String) }
    expect(lines).toMatchObject([
      ['Pruned an expired registration', { ...fields, entry_id: 'past' }],
      ['Pruned an expired registration', { ...fields, entry_id: 'negative' }],
    ])
  })

  it('leaves an entry that is prolonged while it is pruned', async () => {
    const entry = testEntry('one', { expiresAtSeconds: 1 })
    await store.commit([putEntries(entry)])
    const commit = store.commit.bind(store)
    const racing: RegistrationState = {
      ...state,
      store: {
        commit: async (transactions) => {
          const longer = { ...entry, expiresAtSeconds: nowSeconds + 60 }
          await commit([{ cause: testCause, mutations: [putEntry(longer, 'present')] }])
          return commit(transactions)
        },
      },
    }
    expect(await pruneEntries(racing, silentLogger)).toBe(0)
    expect(ids()).toEqual(['one'])
  })

  it('deletes more than a batch of them', async () => {
    const many = Array.from({ length: 1203 }, (_, n) => testEntry(`e${n}`, { expiresAtSeconds: 1 }))
    await store.commit([putEntries(...many)])
    expect(await pruneEntries(state, silentLogger)).toBe(1203)
    expect(ids()).toEqual([])
  })

  it('runs one interval after the start, goes on after a failure, and ends with its signal', async () => {
    await store.commit([putEntries(testEntry('one', { expiresAtSeconds: 1 }))])
    const calls: string[] = []
    let isBroken = true
    const flaky: RegistrationState = {
      ...state,
      store: {
        commit: async (transactions) => {
          calls.push(isBroken ? 'failed' : 'done')
          if (isBroken) throw new Error('disk full')
          return store.commit(transactions)
        },
      },
    }
    const stop = new AbortController()
    const running = pruneEntriesPeriodically(flaky, silentLogger, stop.signal)
    clock.advance(pruneIntervalMs - 1)
    expect(calls).toEqual([])
    clock.advance(1)
    await until(() => calls.length === 1)
    expect([calls, ids()]).toEqual([['failed'], ['one']])
    isBroken = false
    await until(() => {
      clock.advance(pruneIntervalMs)
      return ids().length === 0
    })
    expect(calls).toEqual(['failed', 'done'])
    stop.abort()
    await running
  })
})
