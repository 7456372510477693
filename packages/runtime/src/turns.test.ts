import { expect, it } from 'vitest'
import { Turns } from './turns.ts'

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
