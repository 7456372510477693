import { describe, expect, it } from 'vitest'
import { FakeClock } from '../clock.test-kit.ts'
import { HandshakeAdmission } from './admission.ts'
import { defaultHostLimits } from './host-limits.ts'

const address = '10.0.0.1'

function scene() {
  const clock = new FakeClock()
  const limits = { ...defaultHostLimits, handshakesPerSecondPerAddress: 10 }
  const admission = new HandshakeAdmission({ limits, clock })
  const enter = (from = address): string => {
    const answer = admission.enter(from)
    if (answer !== 'refuse') admission.leave(from, 'running')
    return answer
  }
  return { clock, admission, enter }
}

describe('an address whose certificates are refused [gate 9]', () => {
  it('pays for what the checks cost, and others do not', () => {
    const { admission, enter } = scene()
    expect(enter()).toBe('now')
    admission.charge(address, 99)
    expect(enter()).toBe('refuse')
    expect(enter('10.0.0.2')).toBe('now')
  })

  it('stays refused until the whole cost has come back, and no longer', () => {
    const { admission, enter, clock } = scene()
    admission.charge(address, 300)
    clock.advance(20_000)
    expect(enter()).toBe('refuse')
    clock.advance(100)
    expect(enter()).toBe('now')
  })

  it('is not forgiven because many others come', () => {
    const { admission, enter, clock } = scene()
    admission.charge(address, 100_000)
    clock.advance(10_000)
    for (let n = 0; n < 5000; n++) enter(`10.1.${n >> 8}.${n & 255}`)
    expect(enter()).toBe('refuse')
  })

  it('loses nothing by a check that cost nothing', () => {
    const { admission, enter } = scene()
    for (let n = 0; n < 99; n++) admission.charge(address, 0)
    expect(enter()).toBe('now')
  })
})
