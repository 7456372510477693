import { describe, expect, it } from 'vitest'
import { finishProgram, runProgram, Scene } from './processes.ts'

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
    await expect(ended.waitFor('all of it')).rejects.toThrow('ended before "all of it":\nalmost\n')
    expect(await ended.ended).toBe(3)
    const mute = scene.start(shell, ['exec sleep 60'])
    await expect(mute.waitFor('anything', { timeoutMs: 1 })).rejects.toThrow(
      'no "anything" in 1 ms',
    )
    expect(await mute.stop('SIGKILL')).toBe('SIGKILL')
  })
})
