import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** A proc file system of one test: what the kernel would say of processes that do not exist. */
export class FakeProc implements Disposable {
  readonly path: string = mkdtempSync(join(tmpdir(), 'proc-'))

  /** What `/proc/<pid>/cgroup` and, when given, `/proc/<pid>/mountinfo` say. */
  put(pid: number, cgroup: readonly string[] | undefined, mountinfo?: readonly string[]): void {
    const folder = join(this.path, String(pid))
    mkdirSync(folder, { recursive: true })
    if (cgroup) writeFileSync(join(folder, 'cgroup'), `${cgroup.join('\n')}\n`)
    if (mountinfo) writeFileSync(join(folder, 'mountinfo'), `${mountinfo.join('\n')}\n`)
  }

  [Symbol.dispose](): void {
    rmSync(this.path, { recursive: true, force: true })
  }
}
