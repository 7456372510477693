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
    expect(bounds(4_096)).toEqual([1_920, 960])
    expect(bounds(1_024)).toEqual([384, 192])
    expect(bounds(64)).toEqual([16, 8])
  })
})
