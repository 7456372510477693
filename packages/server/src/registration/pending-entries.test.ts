import { describe, expect, it } from 'vitest'
import type { Selector } from '../model/selector.ts'
import { testEntry } from '../store/store.test-kit.ts'
import { PendingEntries, similarityKey } from './pending-entries.ts'

const keyOf = (...selectors: Selector[]): string => similarityKey(testEntry('x', { selectors }))

describe('what makes entries similar', () => {
  it('is the set of selectors, whatever their order', () => {
    const [a, b] = [
      { type: 'a', value: '1' },
      { type: 'b', value: '2' },
    ]
    expect(keyOf(a, b)).toBe(keyOf(b, a))
    expect(keyOf(a, a)).toBe(keyOf(a))
    expect(keyOf(a)).not.toBe(keyOf(b))
  })

  it('is not fooled by values that look like other selectors', () => {
    expect(keyOf({ type: 'a', value: '1' }, { type: 'b', value: '2' })).not.toBe(
      keyOf({ type: 'a', value: '15:1:b:2' }),
    )
    expect(keyOf({ type: 'a', value: '1\n' })).not.toBe(keyOf({ type: 'a', value: '1' }))
  })
})

describe('pending entries', () => {
  it('are claimed by one at a time, and let the others wait until it has finished', async () => {
    const pending = new PendingEntries()
    const finish = pending.claim(['k', 'id'])
    expect(pending.claim(['k', 'id'])).toBeUndefined()
    expect(pending.claim(['id'])).toBeUndefined()
    expect(pending.claim(['other'])).toBeDefined()
    let isSettled = false
    const waiting = pending.settled(['k']).then(() => {
      isSettled = true
    })
    await Promise.resolve()
    expect(isSettled).toBe(false)
    finish?.()
    await waiting
    expect(pending.claim(['k', 'id'])).toBeDefined()
    await pending.settled(['unknown'])
  })
})
