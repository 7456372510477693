import { readFileSync, statSync } from 'node:fs'
import type { Clock } from '@mini-spire/runtime/clock'

/** How long names are used before the file is looked at again. */
const checkIntervalMs = 1000

/**
 * Names by number from a file like `/etc/passwd` or `/etc/group`: `name:password:number:…` in each line.
 *
 * The file is read again when it has changed. A file that is missing or unreadable knows no names.
 */
export class NameDatabase {
  readonly #path: string
  readonly #clock: Clock
  #names: ReadonlyMap<number, string> = new Map()
  #version = ''
  #checkedMs = Number.NEGATIVE_INFINITY

  constructor(options: { readonly path: string; readonly clock: Clock }) {
    this.#path = options.path
    this.#clock = options.clock
  }

  find(id: number): string | undefined {
    const nowMs = this.#clock.nowMs()
    if (Math.abs(nowMs - this.#checkedMs) >= checkIntervalMs) {
      this.#checkedMs = nowMs
      this.#refresh()
    }
    return this.#names.get(id)
  }

  #refresh(): void {
    try {
      const { ino, size, mtimeMs, ctimeMs } = statSync(this.#path)
      const version = `${ino}:${size}:${mtimeMs}:${ctimeMs}`
      if (version === this.#version) return
      this.#names = parseNames(readFileSync(this.#path, 'utf8'))
      this.#version = version
    } catch {
      this.#names = new Map()
      this.#version = ''
    }
  }
}

function parseNames(text: string): ReadonlyMap<number, string> {
  const names = new Map<number, string>()
  for (const line of text.split('\n')) {
    const [name = '', , number = ''] = line.trim().split(':')
    // Lines that add NIS entries, and comments, are none.
    if (!/^\d+$/.test(number) || name === '' || /^[#+-]/.test(name)) continue
    const id = Number(number)
    if (!names.has(id)) names.set(id, name)
  }
  return names
}
