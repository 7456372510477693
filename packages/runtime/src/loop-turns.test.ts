import { describe, expect, it } from 'vitest'
import { LoopTurns } from './loop-turns.ts'

/** Ends as many turns of the event loop. */
async function loop(times: number): Promise<void> {
  for (let left = times; left > 0; left--) await new Promise((resolve) => setImmediate(resolve))
}

describe('LoopTurns', () => {
  it('gives each turn of the event loop to one, in the order asked for', async () => {
    const turns = new LoopTurns()
    const done: string[] = []
    for (const name of ['a', 'b', 'c']) void turns.next().then(() => done.push(name))
    expect(done).toEqual([])
    const seen: string[] = []
    for (let at = 0; at < 3; at++) {
      await loop(1)
      seen.push(done.join(''))
    }
    expect(seen).toEqual(['a', 'ab', 'abc'])
  })

  it('goes round among those who ask again', async () => {
    const turns = new LoopTurns()
    const done: string[] = []
    const work = async (name: string): Promise<void> => {
      for (let piece = 0; piece < 3; piece++) {
        await turns.next()
        done.push(name)
      }
    }
    await Promise.all([work('a'), work('b')])
    expect(done.join('')).toBe('ababab')
  })

  it('lets who has had a turn go on before those who wait, a turn at a time', async () => {
    const turns = new LoopTurns()
    const done: string[] = []
    const work = async (name: string): Promise<void> => {
      for (let piece = 0; piece < 4; piece++) {
        await (piece % 2 === 0 ? turns.next() : turns.again())
        done.push(name)
      }
    }
    const all = Promise.all([work('a'), work('b'), work('c')])
    await loop(3)
    expect(done.join('')).toBe('aab')
    await all
    expect(done.join('')).toBe('aabbccaabbcc')
  })

  it('works again after nobody has waited', async () => {
    const turns = new LoopTurns()
    for (let at = 0; at < 3; at++) {
      await turns.next()
      await loop(2)
    }
  })
})
