import { readlinkSync } from 'node:fs'

/** The executable of a process of this machine; empty when it may not be read. */
export function executableOf(pid: number): string {
  try {
    return readlinkSync(`/proc/${pid}/exe`)
  } catch {
    return ''
  }
}
