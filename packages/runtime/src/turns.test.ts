import { expect, it } from 'vitest'
import { KeyedTurns, Turns } from './turns.ts'

it('work waits for what was asked before it, in order, and a failure is its own only', async () => {
  const turns = new Turns()
  const seen: string[] = []
  let finishFirst: () => void = () => {}
  const first = turns.run(async () => {
    seen.push('first begins')
    await new Promise<void>((resolve) => {
      finishFirst = resolve
    })
    seen.push('first ends')
    throw new Error('broken')
  })
  const second = turns.run(async () => {
    seen.push('second')
    return 2
  })
  const failed = expect(first).rejects.toThrow('broken')
  await Promise.resolve()
  expect(seen).toEqual(['first begins'])
  finishFirst()
  await failed
  expect(await second).toBe(2)
  expect(seen).toEqual(['first begins', 'first ends', 'second'])
})

it('work for one key waits for work for the same key only, and then the key is forgotten', async () => {
  const turns = new KeyedTurns()
  const seen: string[] = []
  let finish: () => void = () => {}
  const first = turns.run('a', async () => {
    await new Promise<void>((resolve) => {
      finish = resolve
    })
    seen.push('first of a')
    throw new Error('broken')
  })
  const failed = expect(first).rejects.toThrow('broken')
  const second = turns.run('a', async () => seen.push('second of a'))
  await turns.run('b', async () => seen.push('b'))
  expect(turns.size).toBe(1)
  finish()
  await failed
  await second
  expect(seen).toEqual(['b', 'first of a', 'second of a'])
  expect(turns.size).toBe(0)
})
