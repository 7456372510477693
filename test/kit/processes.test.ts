import { describe, expect, it } from 'vitest'
import { fallenDaemons, finishProgram, runProgram, Scene } from './processes.ts'

const shell = { command: 'sh', args: ['-c'] }

// What SPIRE's suite self-test asserts of its own steps.
describe('a step that fails', () => {
  it('is seen to fail, whichever way the program is run', async () => {
    const failed = { status: 3, stdout: 'out', stderr: 'err' }
    const script = 'printf out; printf err >&2; exit 3'
    expect(runProgram(shell, [script])).toEqual(failed)
    expect(await finishProgram(shell, [script])).toEqual(failed)
    await expect(finishProgram({ command: '/none', args: [] }, [])).rejects.toThrow('ENOENT')
  })

  it('does not pass as a text that a daemon has not printed', async () => {
    await using scene = new Scene()
    const ended = scene.start(shell, ['echo almost; exit 3'])
    await expect(ended.waitFor('all of it')).rejects.toThrow(
      'no "all of it": -c ended with 3; its last lines:\nalmost',
    )
    expect(await ended.ended).toBe(3)
    const mute = scene.start(shell, ['exec sleep 60'])
    await expect(mute.waitFor('anything', { timeoutMs: 1 })).rejects.toThrow(
      'no "anything" in 1 ms',
    )
    expect(await mute.stop('SIGKILL')).toBe('SIGKILL')
  })

  it('of a daemon is told with its last lines, unless the daemon was told to end', async () => {
    await using scene = new Scene()
    const before = fallenDaemons().length
    const told = scene.start(shell, ['echo ready; exec sleep 60'])
    await told.waitFor('ready')
    await told.stop()
    await scene.start(shell, ['true']).ended
    await scene.start(shell, ['seq 1 100; exit 7']).ended
    await scene.start(shell, ['kill -KILL $$']).ended
    const [exited = '', killed = '', ...others] = fallenDaemons().slice(before)
    expect(exited).toMatch(/^-c ended with 7; its last lines:\n89\n[\d\n]*\n100$/)
    expect(killed).toBe('-c ended with SIGKILL; its last lines:\n')
    expect(others).toEqual([])
  })
})
