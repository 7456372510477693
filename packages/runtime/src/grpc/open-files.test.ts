import { describe, expect, it } from 'vitest'
import { defaultHostLimits } from './host-limits.ts'
import { withinOpenFiles } from './open-files.ts'

const bounds = (openFiles: number): readonly number[] => {
  const { maxConnections, maxConnectionsOfStrangers } = withinOpenFiles(
    defaultHostLimits,
    openFiles,
  )
  return [maxConnections, maxConnectionsOfStrangers]
}

describe('the bounds of connections', () => {
  it('stay where enough files may be open', () => {
    expect(bounds(1_048_576)).toEqual([20_000, 10_000])
    expect(bounds(Number.POSITIVE_INFINITY)).toEqual([20_000, 10_000])
  })

  it('leave descriptors for everything else where fewer may be, and half of the rest for those who are known [gate 9]', () => {
    expect(bounds(4_096)).toEqual([1_528, 764])
    expect(bounds(1_024)).toEqual([288, 144])
    expect(bounds(64)).toEqual([12, 6])
  })

  it('leave some for those who are known also while as many handshakes are unfinished as may be [gate 9]', () => {
    for (const openFiles of [20_000, 4_096, 1_024, 300]) {
      const limits = withinOpenFiles(defaultHostLimits, openFiles)
      const { maxHandshakes, maxSlowHandshakes, maxWaitingHandshakes, maxConnections } = limits
      const handshakes = [maxHandshakes, maxSlowHandshakes, maxWaitingHandshakes]
      expect(Math.min(...handshakes)).toBeGreaterThan(0)
      const sum = handshakes.reduce((all, each) => all + each, 0)
      expect(sum + 2 * maxConnections).toBeLessThanOrEqual(Math.max(openFiles - 256, 32))
      expect(2 * maxConnections).toBeGreaterThan(sum)
    }
  })
})
