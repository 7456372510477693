import { FakeClock } from '@mini-spire/runtime/clock.test-kit'
import { describe, expect, it } from 'vitest'
import { type Expiring, RenewedCredential } from './index.ts'
import type { RenewedCredentialOptions } from './renewed-credential.ts'

interface Numbered extends Expiring {
  readonly number: number
}

const hourMs = 3_600_000

/** A credential of one hour that says which fetch it came from; the test decides how each fetch goes. */
function scene(options: RenewedCredentialOptions = {}) {
  const clock = new FakeClock()
  const errors: unknown[] = []
  const state = { fetches: 0, go: async (): Promise<void> => {}, lifeMs: hourMs }
  const seen: { previous: (number | undefined)[]; signal?: AbortSignal } = { previous: [] }
  const credential = new RenewedCredential<Numbered>(
    async ({ signal, previous }) => {
      const number = ++state.fetches
      seen.previous.push(previous?.number)
      seen.signal = signal
      await state.go()
      return { number, expiresAt: new Date(clock.nowMs() + state.lifeMs) }
    },
    { clock, chance: () => 0.5, onError: (error) => errors.push(error), ...options },
  )
  return { clock, errors, state, seen, credential }
}

/** Lets everything that has been decided happen. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await Promise.resolve()
}

describe('a credential that is renewed', () => {
  it('is fetched once, however many wait for it, and not before somebody does', async () => {
    const { credential, state } = scene()
    expect(state.fetches).toBe(0)
    const all = await Promise.all(Array.from({ length: 50 }, () => credential.get()))
    expect(all.map(({ number }) => number)).toEqual(Array(50).fill(1))
    await credential.get()
    expect(state.fetches).toBe(1)
  })

  it.each([
    { chance: 0, renewedAfterMs: hourMs * 0.5 },
    { chance: 0.999_999, renewedAfterMs: hourMs * 0.6 },
  ])('is renewed ahead of its end, at a moment that chance $chance picks', async (row) => {
    const { credential, state, clock } = scene({ chance: () => row.chance })
    await credential.get()
    await credential.get()
    clock.advance(row.renewedAfterMs - 1000)
    await settle()
    expect(state.fetches).toBe(1)
    clock.advance(2000)
    await settle()
    expect(state.fetches).toBe(2)
    expect(await credential.get()).toMatchObject({ number: 2 })
  })

  it('is given out as it is while it is renewed, and the renewal sees it', async () => {
    const { credential, state, clock, seen } = scene()
    await credential.get()
    await credential.get()
    let finish = (): void => {}
    state.go = () => new Promise((resolve) => (finish = resolve))
    clock.advance(hourMs * 0.55)
    await settle()
    expect(await credential.get()).toMatchObject({ number: 1 })
    finish()
    await settle()
    expect(await credential.get()).toMatchObject({ number: 2 })
    expect(seen.previous).toEqual([undefined, 1])
  })

  it('stays while renewing fails, is tried again with growing pauses, and recovers', async () => {
    const { credential, state, clock, errors } = scene()
    await credential.get()
    await credential.get()
    const failure = new Error('away')
    state.go = () => Promise.reject(failure)
    clock.advance(hourMs * 0.55)
    await settle()
    for (const pauseMs of [1000, 2000, 3000]) {
      expect(await credential.get()).toMatchObject({ number: 1 })
      const before = state.fetches
      clock.advance(pauseMs - 1)
      await settle()
      expect(state.fetches).toBe(before)
      clock.advance(1)
      await settle()
      expect(state.fetches).toBe(before + 1)
    }
    expect(errors).toEqual([failure, failure, failure, failure])
    state.go = async () => {}
    clock.advance(4000)
    await settle()
    expect(await credential.get()).toMatchObject({ number: 6 })

    state.go = () => Promise.reject(failure)
    clock.advance(hourMs * 0.55)
    await settle()
    clock.advance(1000)
    await settle()
    expect(state.fetches).toBe(8)
  })

  it('says once that a renewal failed, however many asked meanwhile', async () => {
    const { credential, state, clock, errors } = scene()
    await credential.get()
    await credential.get()
    let fail = (_: Error): void => {}
    state.go = () => new Promise((_, reject) => (fail = reject))
    clock.advance(hourMs * 0.55)
    await settle()
    await Promise.all(Array.from({ length: 10 }, () => credential.get()))
    fail(new Error('away'))
    await settle()
    expect(errors).toHaveLength(1)
  })

  it('is not given out once it has ended: callers get the error, and the next one asks again', async () => {
    const { credential, state, clock } = scene()
    await credential.get()
    state.go = () => Promise.reject(new Error('away'))
    clock.advance(hourMs)
    await expect(credential.get()).rejects.toThrow('away')
    state.go = async () => {}
    expect(await credential.get()).toMatchObject({ number: 3 })
  })

  it('that has ended before it came is refused', async () => {
    const { credential, state } = scene()
    state.lifeMs = 0
    await expect(credential.get()).rejects.toMatchObject({ code: 'ERR_EXCHANGE_EXPIRED' })
  })

  it('that nobody asks for any more is left to end, and made up for at the next call', async () => {
    const { credential, state, clock } = scene()
    await credential.get()
    clock.advance(hourMs * 0.9)
    await settle()
    expect(state.fetches).toBe(1)
    expect(await credential.get()).toMatchObject({ number: 1 })
    await settle()
    expect(await credential.get()).toMatchObject({ number: 2 })
  })

  it('is renewed unused where that is asked for, even after it has ended meanwhile', async () => {
    const { credential, state, clock } = scene({ isRenewedUnused: true })
    await credential.get()
    state.go = () => Promise.reject(new Error('away'))
    clock.advance(hourMs * 0.55)
    await settle()
    clock.advance(hourMs)
    await settle()
    expect(clock.timerCount).toBe(1)
    state.go = async () => {}
    clock.advance(60_000)
    await settle()
    expect((await credential.get()).number).toBe(state.fetches)
  })

  it('a caller that stops waiting leaves the others waiting', async () => {
    const { credential, state } = scene()
    let finish = (): void => {}
    state.go = () => new Promise((resolve) => (finish = resolve))
    const impatient = new AbortController()
    const lost = credential.get({ signal: impatient.signal })
    const patient = credential.get()
    impatient.abort(new Error('enough'))
    await expect(lost).rejects.toThrow('enough')
    finish()
    expect(await patient).toMatchObject({ number: 1 })
    await expect(credential.get({ signal: impatient.signal })).rejects.toThrow('enough')
  })

  it('gives up on an answer that does not come, whether or not it was listening', async () => {
    const { credential, state, clock, seen } = scene()
    state.go = () => new Promise(() => {})
    const waiting = credential.get()
    await settle()
    clock.advance(30_000)
    await expect(waiting).rejects.toMatchObject({ code: 'ERR_EXCHANGE_UNAVAILABLE' })
    expect(seen.signal?.aborted).toBe(true)
    expect(clock.timerCount).toBe(0)
  })

  it('once closed is refused, and ends what was under way', async () => {
    const { credential, state, clock, seen } = scene()
    state.go = () => new Promise(() => {})
    const waiting = credential.get()
    await settle()
    credential.close()
    await expect(waiting).rejects.toMatchObject({ code: 'ERR_EXCHANGE_CLOSED' })
    await expect(credential.get()).rejects.toMatchObject({ code: 'ERR_EXCHANGE_CLOSED' })
    expect(seen.signal?.aborted).toBe(true)
    expect(clock.timerCount).toBe(0)
  })

  it('once closed leaves no timer and reports nothing of the renewal it ended', async () => {
    const { credential, state, clock, errors } = scene()
    await credential.get()
    await credential.get()
    state.go = () => new Promise(() => {})
    clock.advance(hourMs * 0.55)
    await settle()
    credential[Symbol.dispose]()
    await settle()
    expect({ timers: clock.timerCount, errors }).toEqual({ timers: 0, errors: [] })
  })
})
