import { describe, expect, it } from 'vitest'
import { type Part, runParts } from './lifecycle.ts'
import { silentLogger } from './log/logger.ts'

const log = silentLogger

function recorder(): { readonly events: string[]; part(name: string, run?: Part['run']): Part } {
  const events: string[] = []
  const note = async (event: string): Promise<void> => void events.push(event)
  const part = (name: string, run?: Part['run']): Part => ({
    name,
    start: () => note(`start ${name}`),
    stop: () => note(`stop ${name}`),
    ...(run ? { run } : {}),
  })
  return { events, part }
}

const untilAborted = (signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => signal.addEventListener('abort', () => resolve()))

describe('runParts', () => {
  it('starts in order, stops in the opposite order when the signal aborts', async () => {
    const { events, part } = recorder()
    const ending = new AbortController()
    const parts = [part('a', untilAborted), part('b'), part('c', untilAborted)]
    const running = runParts(parts, { signal: ending.signal, log })
    await Promise.resolve()
    ending.abort()
    await running
    expect(events[0]).toBe('start a')
    expect(events.filter((event) => event.startsWith('stop'))).toEqual(
      events
        .filter((event) => event.startsWith('start'))
        .map((event) => event.replace('start', 'stop'))
        .reverse(),
    )
  })

  it('a part that fails stops all, and is what is reported', async () => {
    const { events, part } = recorder()
    const failing = part('b', () => Promise.reject(new Error('first')))
    const late: Part = {
      name: 'c',
      run: async (signal) => {
        await untilAborted(signal)
        throw new Error('second')
      },
    }
    const parts = [part('a', untilAborted), failing, late]
    await expect(runParts(parts, { signal: new AbortController().signal, log })).rejects.toThrow(
      'first',
    )
    expect(events).toEqual(['start a', 'start b', 'stop b', 'stop a'])
  })

  it('a part that cannot start keeps later ones from starting', async () => {
    const { events, part } = recorder()
    const broken: Part = { name: 'b', start: () => Promise.reject(new Error('no')) }
    const running = runParts([part('a'), broken, part('c')], {
      signal: new AbortController().signal,
      log,
    })
    await expect(running).rejects.toThrow('no')
    expect(events).toEqual(['start a', 'stop a'])
  })

  it('a part that ends by itself is a failure that names it', async () => {
    const { part } = recorder()
    const ended = part('sync', () => Promise.resolve())
    await expect(runParts([ended], { signal: new AbortController().signal, log })).rejects.toThrow(
      'sync ended',
    )
  })

  it('a part that cannot stop does not keep the others from stopping', async () => {
    const { events, part } = recorder()
    const ending = new AbortController()
    const stuck: Part = { name: 'b', stop: () => Promise.reject(new Error('stuck')) }
    const running = runParts([part('a'), stuck, { name: 'c', start: async () => ending.abort() }], {
      signal: ending.signal,
      log,
    })
    await expect(running).rejects.toThrow('stuck')
    expect(events).toEqual(['start a', 'stop a'])
  })
})
