import { describe, expect, it } from 'vitest'
import { linearBackoff, watch } from './watch.ts'
import { WorkloadApiCallError } from './workload-api-error.ts'

/** A stream per attempt: each brings its values and then ends or fails. */
function attempts(
  ...scripts: readonly (readonly (number | Error)[])[]
): () => AsyncGenerator<number> {
  let next = 0
  return async function* () {
    for (const step of scripts[next++] ?? []) {
      if (step instanceof Error) throw step
      yield step
    }
  }
}

async function collect(
  values: AsyncIterable<number>,
  count: number,
  abort: AbortController,
): Promise<number[]> {
  const seen: number[] = []
  for await (const value of values) {
    seen.push(value)
    if (seen.length === count) abort.abort()
  }
  return seen
}

describe('watch', () => {
  it('opens the stream again when it ends or fails, and says so [Workload API 4.4]', async () => {
    const abort = new AbortController()
    const errors: unknown[] = []
    const unavailable = new WorkloadApiCallError(14, 'gone')
    const options = {
      signal: abort.signal,
      onError: (error: unknown) => errors.push(error),
      backoff: () => 0,
    }
    const values = watch(attempts([1, 2], [unavailable], [3]), (value) => value, options)
    expect(await collect(values, 3, abort)).toEqual([1, 2, 3])
    expect(errors).toEqual([unavailable])
  })

  it.each([
    [1, 'Canceled'],
    [3, 'InvalidArgument'],
    [12, 'Unimplemented'],
  ])('ends on status %i (%s): asking again is pointless', async (status) => {
    const values = watch(attempts([new WorkloadApiCallError(status, 'no')]), (value) => value, {
      backoff: () => 0,
    })
    await expect(values.next()).rejects.toMatchObject({ status })
  })

  it('keeps asking when no identity is registered yet', async () => {
    const abort = new AbortController()
    const denied = new WorkloadApiCallError(7, 'no identity issued')
    const values = watch(attempts([denied], [denied], [1]), (value) => value, {
      signal: abort.signal,
      backoff: () => 0,
    })
    expect(await collect(values, 1, abort)).toEqual([1])
  })

  it('skips a message that cannot be read', async () => {
    const abort = new AbortController()
    const errors: unknown[] = []
    const read = (value: number): number => {
      if (value === 2) throw new Error('unreadable')
      return value
    }
    const options = {
      signal: abort.signal,
      onError: (error: unknown) => errors.push(error),
      backoff: () => 0,
    }
    expect(await collect(watch(attempts([1, 2, 3]), read, options), 2, abort)).toEqual([1, 3])
    expect(errors).toHaveLength(1)
  })

  it('waits a second longer after each failure, and never longer than thirty', () => {
    expect([1, 2, 29, 30, 31, 1000].map(linearBackoff)).toEqual([
      1000, 2000, 29_000, 30_000, 30_000, 30_000,
    ])
  })
})
