import type { Clock } from '@mini-spire/runtime/clock'
import { type Logger, silentLogger } from '@mini-spire/runtime/log/logger'
import { describe, expect, it } from 'vitest'
import { runPeriodically } from './periodic-tasks.ts'

describe('runPeriodically', () => {
  it('waits an interval first, goes on after a failure, and ends with the signal', async () => {
    const controller = new AbortController()
    const delays: number[] = []
    const clock: Clock = {
      now: () => new Date(0),
      nowMs: () => 0,
      setTimer: (delayMs, callback) => {
        delays.push(delayMs)
        queueMicrotask(callback)
        return { cancel: () => {} }
      },
    }
    const errors: unknown[] = []
    const log: Logger = {
      ...silentLogger,
      error: (message, fields) => errors.push([message, fields]),
    }
    let turns = 0
    const work = () => {
      expect(delays).toHaveLength(++turns)
      if (turns === 3) controller.abort()
      return turns === 1 ? Promise.reject(new Error('once')) : Promise.resolve()
    }
    await runPeriodically(
      { failure: 'Task failed', intervalMs: 7, work },
      { clock, log, signal: controller.signal },
    )
    expect(turns).toBe(3)
    expect(delays).toEqual([7, 7, 7])
    expect(errors).toEqual([['Task failed', { error: 'once' }]])
  })
})
