import { expect, it } from 'vitest'
import { RequestQueue } from './request-queue.ts'

it('hands out what was pushed, waits for more, and ends when it is told', async () => {
  const queue = new RequestQueue('first')
  const received: string[] = []
  const reading = (async () => {
    for await (const request of queue) received.push(request)
  })()
  queue.push('second')
  await Promise.resolve()
  queue.push('third')
  queue.end()
  queue.end()
  await reading
  expect(received).toEqual(['first', 'second', 'third'])
})
