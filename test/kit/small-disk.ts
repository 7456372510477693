import { execFileSync } from 'node:child_process'
import { closeSync, openSync, rmSync, writeSync } from 'node:fs'
import { missingPeer } from './peers.ts'

/** A small disk where a daemon will keep its data, and something that fills it. */
export class SmallDisk implements Disposable {
  readonly #folder: string
  readonly #ballast: string

  private constructor(folder: string) {
    this.#folder = folder
    this.#ballast = `${folder}/ballast`
  }

  /** Undefined, aloud, where nothing may be mounted. */
  static mount(folder: string, size: string): SmallDisk | undefined {
    try {
      const args = ['-t', 'tmpfs', '-o', `size=${size},mode=0700`, 'tmpfs', folder]
      execFileSync('mount', args, { stdio: 'pipe' })
      return new SmallDisk(folder)
    } catch {
      missingPeer('a small disk', 'run the tests as root, where a tmpfs may be mounted')
      return undefined
    }
  }

  /** Takes every byte that is left. */
  fill(): void {
    const file = openSync(this.#ballast, 'w')
    try {
      for (const chunk of [Buffer.alloc(1 << 20), Buffer.alloc(4096), Buffer.alloc(1)])
        while (write(file, chunk));
    } finally {
      closeSync(file)
    }
  }

  free(): void {
    rmSync(this.#ballast)
  }

  [Symbol.dispose](): void {
    execFileSync('umount', ['--lazy', this.#folder])
  }
}

/** False: no space for (all of) it. */
function write(file: number, chunk: Buffer): boolean {
  try {
    return writeSync(file, chunk) === chunk.length
  } catch {
    return false
  }
}
