import { expect, it } from 'vitest'
import { untilNextLook } from './next-look.ts'

it.each([
  { leftMs: 3_600_000, waits: 5_000 },
  { leftMs: 20_000, waits: 5_000 },
  { leftMs: 6_000, waits: 1_500 },
  { leftMs: 100, waits: 1_000 },
  { leftMs: -3_600_000, waits: 1_000 },
])('waits $waits ms instead of 5,000 when $leftMs ms are left', ({ leftMs, waits }) => {
  expect(untilNextLook(5_000, leftMs)).toBe(waits)
})

it('never waits longer than usual', () => {
  expect(untilNextLook(200, 500)).toBe(200)
})
