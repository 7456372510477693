import { chmodSync, copyFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { finishProgram, type Program } from '../kit/processes.ts'
import { root } from '../kit/repository.ts'
import { ServedWorkload } from '../kit/served-workload.ts'

const script = `${root}/test/interop/python/impostor.py`
const isRoot = process.getuid?.() === 0

let served: ServedWorkload
let python: Program
/** The same interpreter as a file of its own. */
let other: string

beforeAll(async () => {
  served = await ServedWorkload.start()
  const find = ['-c', 'import sys; print(sys.executable); print(sys.base_prefix)']
  const { stdout } = await finishProgram({ command: 'python3', args: [] }, find)
  const [executable = '', home = ''] = stdout.trim().split('\n')
  python = { command: 'env', args: [`PYTHONHOME=${home}`, executable, script] }
  other = served.scene.path('other')
  copyFileSync(executable, other)
  chmodSync(other, 0o755)
})
afterAll(() => served[Symbol.asyncDispose]())

async function ask(how: string, ...more: readonly string[]): Promise<string> {
  const done = await finishProgram(python, [how, served.agent.socket, ...more])
  expect(done.stderr).toBe('')
  return done.stdout.trim()
}

describe('a process that connects to the Workload API, and is another when it asks', () => {
  it('is served as long as it is the same', async () => {
    expect(await ask('itself')).toBe('served')
  })

  it('gets nothing as another program', async () => {
    expect(await ask('program', other)).toBe('refused')
    await served.agent.daemon.waitFor('runs another executable')
  })

  it('gets nothing as a child that outlives it', async () => {
    expect(await ask('child')).toBe('refused')
  })

  it.runIf(isRoot)('gets nothing as another user', async () => {
    expect(await ask('user')).toBe('refused')
    await served.agent.daemon.waitFor('changed its credentials')
  })

  it('takes nothing from others when it dies before the answer', async () => {
    for (let n = 0; n < 20; n++) expect(await ask('dying')).toBe('')
    expect(await ask('itself')).toBe('served')
  })
})
