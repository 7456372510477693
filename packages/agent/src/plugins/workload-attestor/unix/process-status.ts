import { closeSync, openSync, readSync } from 'node:fs'

/** What `/proc/<pid>/status` says about a process's rights: effective IDs, and groups beside them. */
export interface ProcessStatus {
  readonly uid: number
  readonly gid: number
  readonly groups: readonly number[]
}

const startSize = 4096
/** 65,536 groups of ten digits and a space, and the rest of the file. */
const maxSize = 1024 * 1024

/**
 * Reads a process's effective user, group and supplementary groups.
 *
 * The file is made by the kernel as it is read: reading is synchronous because that takes some microseconds, less than
 * handing the work to a thread.
 *
 * @throws the system's error when there is no such process
 */
export function readProcessStatus(path: string): ProcessStatus {
  const text = readWhole(path)
  return {
    uid: effectiveId(text, '\nUid:'),
    gid: effectiveId(text, '\nGid:'),
    groups: (lineAfter(text, '\nGroups:') ?? '')
      .split(' ')
      .filter((word) => word !== '')
      .map(Number),
  }
}

function readWhole(path: string): string {
  const file = openSync(path, 'r')
  try {
    let buffer = Buffer.allocUnsafe(startSize)
    let length = 0
    for (;;) {
      const count = readSync(file, buffer, length, buffer.length - length, null)
      length += count
      if (count === 0 || length >= maxSize) return buffer.toString('latin1', 0, length)
      if (length === buffer.length) {
        const larger = Buffer.allocUnsafe(buffer.length * 4)
        buffer.copy(larger, 0, 0, length)
        buffer = larger
      }
    }
  } finally {
    closeSync(file)
  }
}

/** Real, effective, saved, file system: the second number. */
function effectiveId(text: string, label: string): number {
  const words = (lineAfter(text, label) ?? '').trim().split('\t')
  const id = Number(words[1])
  if (words.length < 2 || !Number.isInteger(id)) throw new TypeError(`no ${label.trim()} line`)
  return id
}

function lineAfter(text: string, label: string): string | undefined {
  const start = text.indexOf(label)
  if (start < 0) return undefined
  const end = text.indexOf('\n', start + label.length)
  return text.slice(start + label.length, end < 0 ? undefined : end).trim()
}
