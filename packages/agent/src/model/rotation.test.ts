import { describe, expect, it } from 'vitest'
import { RotationRule } from './rotation.ts'

const hourMs = 3_600_000
const life = (hours: number) => ({ notBeforeMs: 0, notAfterMs: hours * hourMs })

function dueAt(chance: number, availabilityTargetMs: number | undefined, hours: number) {
  const rule = new RotationRule({ availabilityTargetMs, chance: () => chance })
  return (atHours: number): boolean => rule.isX509Due(life(hours), atHours * hourMs)
}

describe('an SVID is renewed', () => {
  it('not before 45 and not after 55 parts of a hundred of its life', () => {
    expect([dueAt(0, undefined, 100)(54.9), dueAt(0, undefined, 100)(55.1)]).toEqual([false, true])
    const late = dueAt(0.9999, undefined, 100)
    expect([late(44.9), late(45.1)]).toEqual([false, true])
  })

  it('when it has expired', () => {
    expect(dueAt(0, undefined, 1)(1)).toBe(true)
    expect(dueAt(0.5, undefined, 1)(2)).toBe(true)
  })

  it('earlier, when it would not be good for the availability target any more', () => {
    const due = dueAt(0, 60 * hourMs, 100)
    expect([due(39.9), due(40)]).toEqual([false, true])
  })

  it('at half its life, when that is too short for the target', () => {
    const rule = new RotationRule({ availabilityTargetMs: 24 * hourMs, chance: () => 0 })
    expect([rule.isTooShort(life(36)), rule.isTooShort(life(37))]).toEqual([true, false])
    expect(dueAt(0, 24 * hourMs, 36)(18)).toBe(false)
  })
})
