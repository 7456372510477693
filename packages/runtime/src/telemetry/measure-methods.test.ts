import { SpiffeError } from '@mini-spire/sdk/errors'
import { describe, expect, it } from 'vitest'
import { measureMethods } from './measure-methods.ts'
import { type Metrics, noMetrics } from './metrics.ts'

class Shelf {
  readonly #books = new Map([['a', 1]])
  size = 7

  find(name: string): number | undefined {
    return this.#books.get(name)
  }

  async put(name: string): Promise<void> {
    if (name === '') throw new TestError('ERR_TEST', 'no name')
    await Promise.resolve()
    this.#books.set(name, 2)
  }

  other(): number {
    return this.#books.size
  }
}

class TestError extends SpiffeError<'ERR_TEST'> {
  override get kind(): 'invalid-argument' {
    return 'invalid-argument'
  }
}

function scene() {
  const seen: string[] = []
  const metrics: Metrics = {
    ...noMetrics,
    count: (key, _, labels) => void seen.push(`${key.join('.')} ${labels?.['status']}`),
  }
  const shelf = measureMethods(new Shelf(), { find: ['f'], put: ['p'] }, metrics)
  return { seen, shelf }
}

describe('measured methods', () => {
  it('do what they did, and are counted when they are over, with the status', async () => {
    const { seen, shelf } = scene()
    expect(shelf.find('a')).toBe(1)
    await shelf.put('b')
    await expect(shelf.put('')).rejects.toMatchObject({ code: 'ERR_TEST' })
    expect(shelf.find('b')).toBe(2)
    expect(seen).toEqual(['f OK', 'p OK', 'p InvalidArgument', 'f OK'])
  })

  it('leave the rest of the thing alone', () => {
    const { seen, shelf } = scene()
    expect([shelf.other(), shelf.size]).toEqual([1, 7])
    expect(seen).toEqual([])
    expect(shelf).toBeInstanceOf(Shelf)
  })

  it('are those of the thing itself when nobody counts', () => {
    const shelf = new Shelf()
    expect(measureMethods(shelf, { find: ['f'] }, noMetrics)).toBe(shelf)
  })
})
