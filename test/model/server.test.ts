import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { commands } from './commands.ts'
import { type Place, RealServer } from './real-server.ts'
import { Reference } from './reference.ts'

const scale = Number(process.env['MODEL_SCALE'] ?? 1)

/** Runs command lists against a server and its reference; what nobody caught counts too. */
async function agree(place: Place, runs: number, maxCommands: number): Promise<void> {
  const uncaught: unknown[] = []
  const onRejection = (reason: unknown): void => {
    uncaught.push(reason)
  }
  process.on('unhandledRejection', onRejection)
  try {
    await fc.assert(
      fc.asyncProperty(fc.commands(commands, { maxCommands, size: 'max' }), async (list) => {
        await using real = await RealServer.start(place)
        await fc.asyncModelRun(() => ({ model: new Reference(), real }), list)
      }),
      { numRuns: runs },
    )
  } finally {
    process.off('unhandledRejection', onRejection)
  }
  expect(uncaught).toEqual([])
}

describe('a server and its reference', () => {
  it('agree after every command, in every order, across restarts', async () => {
    await agree('here', Math.ceil(60 * scale), 80)
  }, 300_000)

  it('agree when the server is a process of its own', async () => {
    await agree('process', Math.ceil(2 * scale), 24)
  }, 300_000)
})
