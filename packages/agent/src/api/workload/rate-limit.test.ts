import { FakeClock } from '@mini-spire/runtime/clock.test-kit'
import { describe, expect, it } from 'vitest'
import { SelectorSet } from '../../model/selector-set.ts'
import { WorkloadRateLimit } from './rate-limit.ts'

const method = '/SpiffeWorkloadAPI/FetchX509SVID'
const looks = (value: string): SelectorSet => new SelectorSet([{ type: 'unix', value }])

describe('the rate of a kind of workload', () => {
  it('ends at the burst, with the method in the text, and grows again with time', () => {
    const clock = new FakeClock()
    const limit = new WorkloadRateLimit({ perSecond: new Map([[method, 2]]), clock })
    const take = (): void => limit.take(method, looks('uid:1'))
    take()
    take()
    expect(take).toThrow(
      expect.objectContaining({
        kind: 'unavailable',
        message: `rate limit exceeded for ${method}`,
      }),
    )
    clock.advance(500)
    take()
    expect(take).toThrow()
    clock.advance(60_000)
    take()
    take()
    expect(take).toThrow()
  })

  it('is its own, and no other method has one', () => {
    const limit = new WorkloadRateLimit({
      perSecond: new Map([[method, 1]]),
      clock: new FakeClock(),
    })
    limit.take(method, looks('uid:1'))
    limit.take(method, looks('uid:2'))
    for (let i = 0; i < 100; i++) limit.take('/SpiffeWorkloadAPI/FetchJWTSVID', looks('uid:1'))
    expect(() => limit.take(method, looks('uid:1'))).toThrow()
  })

  it('survives very many kinds of workloads', () => {
    const limit = new WorkloadRateLimit({
      perSecond: new Map([[method, 1]]),
      clock: new FakeClock(),
    })
    for (let i = 0; i < 20_000; i++) limit.take(method, looks(`uid:${i}`))
    expect(() => limit.take(method, looks('uid:19999'))).toThrow()
  })
})
