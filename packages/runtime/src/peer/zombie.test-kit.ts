import { type ChildProcess, spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import type { Writable } from 'node:stream'

/** A process that has ended and that its parent, which is to be killed, does not collect. */
export async function startZombie(): Promise<{
  readonly pid: number
  readonly parent: ChildProcess
}> {
  // The child lives until the shell, which would collect it, has become another program.
  const parent = spawn('sh', ['-c', 'cat <&3 & echo $!; exec sleep 600 3<&-'], {
    stdio: ['ignore', 'pipe', 'ignore', 'pipe'],
  })
  const said = await new Promise<Buffer>((resolve) => parent.stdout?.once('data', resolve))
  const pid = Number(said)
  const nameOf = (id: number | undefined): string => readFileSync(`/proc/${id}/comm`, 'latin1')
  while (nameOf(parent.pid) !== 'sleep\n') await new Promise((done) => setImmediate(done))
  const child = parent.stdio[3] as Writable
  child.end()
  while (!/ Z /.test(readFileSync(`/proc/${pid}/stat`, 'latin1')))
    await new Promise((done) => setImmediate(done))
  return { pid, parent }
}
