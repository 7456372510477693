import { readdirSync, readFileSync } from 'node:fs'
import type { Daemon } from './processes.ts'

/** Resident memory of a daemon, in units of 1024 kB. */
export function residentMb({ process }: Daemon): number {
  const status = readFileSync(`/proc/${process.pid}/status`, 'utf8')
  return Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1]) / 1024
}

/** How many descriptors a daemon has open. */
export function descriptorsOf({ process }: Daemon): number {
  return readdirSync(`/proc/${process.pid}/fd`).length
}
