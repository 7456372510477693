import { TestCa } from '@mini-spire/sdk/testing'
import { describe, expect, it } from 'vitest'
import type { TrustBundle } from '../model/trust-bundle.ts'
import { refreshDelayMs } from './refresh-schedule.ts'
import { trustBundleOf } from './spiffe-bundle.ts'

const dayMs = 86_400_000
const now = new Date('2026-03-01T12:00:00Z')

function bundle(refreshHintSeconds: number, rootLifeMs = 30 * dayMs): TrustBundle {
  const notAfter = new Date(now.getTime() + rootLifeMs)
  const ca = TestCa.create('other.org', { now: () => now, root: { notBefore: now, notAfter } })
  return { ...trustBundleOf(ca.bundle), refreshHintSeconds }
}

const delay = (of: TrustBundle | undefined, failures = 0, chance = 0) =>
  refreshDelayMs({ bundle: of, failures, chance }) / 1000

describe('the next attempt', () => {
  it('comes after a quarter of the refresh hint, which is at least a minute', () => {
    expect(delay(bundle(300))).toBe(75)
    expect(delay(bundle(3600))).toBe(900)
    expect(delay(bundle(10))).toBe(15)
  })

  it('goes by a tenth of the shortest root without a hint', () => {
    expect(delay(bundle(0, 4 * 3_600_000))).toBe(360)
    expect(delay(bundle(0, 60_000))).toBe(15)
    expect(delay({ ...bundle(0), x509Authorities: [] })).toBe(15)
  })

  it('comes after a minute without a bundle', () => {
    expect(delay(undefined)).toBe(60)
  })

  it('comes sooner after a failure, and never later than without', () => {
    const failures = [0, 1, 2, 3, 4, 5, 500]
    expect(failures.map((count) => delay(bundle(800), count))).toEqual([
      200, 15, 30, 60, 120, 200, 200,
    ])
    expect(failures.map((count) => delay(bundle(60), count))).toEqual([15, 15, 15, 15, 15, 15, 15])
    expect(failures.map((count) => delay(undefined, count))).toEqual([60, 15, 30, 60, 60, 60, 60])
  })

  it('comes up to a tenth sooner by chance', () => {
    expect(delay(bundle(400), 0, 0.5)).toBe(95)
    expect(delay(bundle(400), 0, 0.999)).toBeGreaterThanOrEqual(90)
  })
})
