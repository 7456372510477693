import { describe, expect, it } from 'vitest'
import { FakeClock } from '../clock.test-kit.ts'
import { HandshakeAdmission } from './admission.ts'
import { defaultHostLimits } from './host-limits.ts'

const address = '10.0.0.1'

function scene() {
  const clock = new FakeClock()
  const limits = { ...defaultHostLimits, handshakesPerSecondPerAddress: 10 }
  const admission = new HandshakeAdmission({ limits, clock })
  const enter = (from = address): boolean => {
    const isAdmitted = admission.enter(from)
    if (isAdmitted) admission.leave(from)
    return isAdmitted
  }
  return { clock, admission, enter }
}

describe('an address whose certificates are refused [gate 9]', () => {
  it('pays for what the checks cost, and others do not', () => {
    const { admission, enter } = scene()
    expect(enter()).toBe(true)
    admission.charge(address, 99)
    expect(enter()).toBe(false)
    expect(enter('10.0.0.2')).toBe(true)
  })

  it('stays refused until the whole cost has come back, and no longer', () => {
    const { admission, enter, clock } = scene()
    admission.charge(address, 300)
    clock.advance(20_000)
    expect(enter()).toBe(false)
    clock.advance(100)
    expect(enter()).toBe(true)
  })

  it('is not forgiven because many others come', () => {
    const { admission, enter, clock } = scene()
    admission.charge(address, 100_000)
    clock.advance(10_000)
    for (let n = 0; n < 5000; n++) enter(`10.1.${n >> 8}.${n & 255}`)
    expect(enter()).toBe(false)
  })

  it('loses nothing by a check that cost nothing', () => {
    const { admission, enter } = scene()
    for (let n = 0; n < 99; n++) admission.charge(address, 0)
    expect(enter()).toBe(true)
  })
})
