import { readFileSync } from 'node:fs'
import { osErrorText } from '@mini-spire/runtime/os-error'

/** One line of `/proc/<pid>/cgroup`: the group of a process in one hierarchy. */
export interface Cgroup {
  /** Empty for cgroup v2. */
  readonly controllers: string
  readonly path: string
}

/**
 * The control groups of a process, as the kernel says: a process cannot write its own line, only be moved.
 *
 * @param processFolder `/proc/<pid>`
 * @throws {Error} as {@link readProcFile}, or `invalid cgroup entry, …`
 */
export function readCgroups(processFolder: string): readonly Cgroup[] {
  return linesOf(readProcFile(`${processFolder}/cgroup`)).map(parseCgroup)
}

/**
 * Reads a file of the proc file system.
 *
 * @throws {Error} in Go's words, with the system's code
 */
export function readProcFile(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException
    throw Object.assign(new Error(osErrorText('open', path, cause), { cause }), { code })
  }
}

function parseCgroup(line: string): Cgroup {
  const first = line.indexOf(':')
  const second = first < 0 ? -1 : line.indexOf(':', first + 1)
  if (second < 0) {
    const fields = line.split(':').length
    const why = `contains ${fields} colon separated fields but expected at least 3`
    throw new Error(`invalid cgroup entry, ${why}: ${JSON.stringify(line)}`)
  }
  return { controllers: line.slice(first + 1, second), path: line.slice(second + 1) }
}

/** The lines of a file of the proc file system; a last one without line feed counts too. */
export function linesOf(text: string): readonly string[] {
  const lines = text.split('\n')
  if (lines.at(-1) === '') lines.pop()
  return lines
}
