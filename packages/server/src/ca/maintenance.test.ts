import { MemoryKeyManager } from '@mini-spire/runtime/key-manager/memory/memory-key-manager'
import { describe, expect, it } from 'vitest'
import { TestState } from './ca.test-kit.ts'
import { runCaMaintenance } from './maintenance.ts'

const hourMs = 3600_000

/** Lets everything that is waiting for nothing but its turn run. */
const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

describe('maintenance of the CA', () => {
  it('removes what expired a day ago, every six hours, and stops when it is told to', async () => {
    const state = new TestState()
    await state.manager().start()
    state.clock.advance(47 * hourMs)
    await state.manager().start()
    const stop = new AbortController()
    const outcomes: unknown[] = []
    const { store, clock, log } = state
    const timers = clock.timerCount
    const running = runCaMaintenance({
      bundle: state.bundle(),
      journals: state.registry.journals,
      store,
      clock,
      log,
      onPruned: ({ isChanged, error }) => outcomes.push(error ?? isChanged),
      signal: stop.signal,
    })
    clock.advance(6 * hourMs - 1)
    await settle()
    expect(outcomes).toEqual([])
    clock.advance(1)
    await settle()
    expect(outcomes).toEqual([true])
    expect(state.bundle().get()?.x509Authorities).toHaveLength(1)
    clock.advance(6 * hourMs)
    await settle()
    expect(outcomes).toEqual([true, false, false])
    stop.abort()
    await running
    expect(clock.timerCount).toBe(timers)
  })

  it('says why nothing was removed, and tries again', async () => {
    const state = new TestState()
    await state.manager().start()
    const stop = new AbortController()
    const { store, clock, log } = state
    const journals = state.registry.journals
    const bundle = state.bundle()
    const running = runCaMaintenance({ bundle, journals, store, clock, log, signal: stop.signal })
    clock.advance(60 * hourMs)
    await settle()
    expect(log.messages).toContain('Could not prune CA certificates')
    state.keyManager = new MemoryKeyManager()
    await state.manager().start()
    clock.advance(6 * hourMs)
    await settle()
    expect(bundle.get()?.x509Authorities).toHaveLength(1)
    stop.abort()
    await running
  })
})
