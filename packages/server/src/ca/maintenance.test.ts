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
    const expiration = new Date(state.clock.nowMs() + 24 * hourMs)
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
    expect(log.lines.filter(({ message }) => message.startsWith('Pruning'))).toEqual([
      {
        message: 'Pruning CA certificate due to expiration',
        fields: { serial_num: expect.stringMatching(/^\d+$/), expiration },
      },
      {
        message: 'Pruning JWT signing key due to expiration',
        fields: { kid: expect.stringMatching(/^\w{32}$/), expiration },
      },
    ])
    expect(state.bundle().get()?.x509Authorities).toHaveLength(1)
    clock.advance(6 * hourMs)
    await settle()
    expect(outcomes).toEqual([true, false, false])
    expect(log.messages).not.toContain('Pruned stale CA journal record')
    clock.advance(15 * 24 * hourMs)
    await settle()
    expect(log.lines).toContainEqual({
      message: 'Pruned stale CA journal record',
      fields: { ca_journal_id: expect.any(String) },
    })
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
    const refused = log.lines.filter(({ message }) => message.includes('CA certificates'))
    expect(refused.slice(0, 2)).toEqual([
      { message: 'Pruning halted; all known CA certificates have expired', fields: {} },
      {
        message: 'Could not prune CA certificates',
        fields: {
          error: expect.objectContaining({
            message: 'unable to prune bundle: prune failed: would prune all certificates',
          }),
        },
      },
    ])
    state.keyManager = new MemoryKeyManager()
    await state.manager().start()
    clock.advance(6 * hourMs)
    await settle()
    expect(bundle.get()?.x509Authorities).toHaveLength(1)
    stop.abort()
    await running
  })
})
