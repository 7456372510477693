import { describe, expect, it } from 'vitest'
import { Backoff } from './backoff.ts'
import { FakeClock } from './clock.test-kit.ts'

const middle = (): number => 0.5

describe('backoff', () => {
  it('grows by half up to its limit, and begins anew after a reset', () => {
    const backoff = new Backoff({
      initialMs: 100,
      maxMs: 200,
      clock: new FakeClock(),
      chance: middle,
    })
    expect([1, 2, 3, 4].map(() => backoff.next())).toEqual([100, 150, 200, 200])
    backoff.reset()
    expect(backoff.next()).toBe(100)
  })

  it('is limited to 24 first delays when nothing else is said', () => {
    const backoff = new Backoff({ initialMs: 1, clock: new FakeClock(), chance: middle })
    for (let i = 0; i < 50; i++) backoff.next()
    expect(backoff.next()).toBe(24)
  })

  it('varies by a tenth either way', () => {
    const at = (chance: number): number | undefined =>
      new Backoff({ initialMs: 1000, clock: new FakeClock(), chance: () => chance }).next()
    expect([at(0), at(0.999999)].map((ms) => Math.round(ms ?? 0))).toEqual([900, 1100])
  })

  it('gives up when the time would run out during the next delay', () => {
    const clock = new FakeClock()
    const backoff = new Backoff({ initialMs: 5000, maxElapsedMs: 60_000, clock, chance: middle })
    let attempts = 1
    for (let ms = backoff.next(); ms !== undefined; ms = backoff.next()) {
      clock.advance(ms)
      attempts++
    }
    expect(attempts).toBe(5)
  })
})
