import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { commands } from './commands.ts'
import { RealServer } from './real-server.ts'
import { Reference } from './reference.ts'

const scale = Number(process.env['MODEL_SCALE'] ?? 1)
const runs = Math.ceil(25 * scale)
const commandsPerRun = 60

describe('a server and its reference', () => {
  it('agree after every command, in every order, across restarts', async () => {
    const failures: unknown[] = []
    const onRejection = (reason: unknown): void => {
      failures.push(reason)
    }
    process.on('unhandledRejection', onRejection)
    try {
      await fc.assert(
        fc.asyncProperty(
          fc.commands(commands, { maxCommands: commandsPerRun, size: 'max' }),
          async (list) => {
            await using real = await RealServer.start()
            await fc.asyncModelRun(() => ({ model: new Reference(), real }), list)
          },
        ),
        { numRuns: runs },
      )
    } finally {
      process.off('unhandledRejection', onRejection)
    }
    expect(failures).toEqual([])
  }, 300_000)
})
