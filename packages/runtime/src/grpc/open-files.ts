import { readFileSync } from 'node:fs'
import type { HostLimits } from './host-limits.ts'

/** What a daemon opens beside connections: its store, its log, the files that it writes. */
const reserved = 256
/** A connection on a Unix socket has a descriptor of its process, too. */
const descriptorsEach = 2
const fewest = 16

/**
 * Lowers the bounds of connections to what this process may open: a peer that takes every descriptor would keep it from writing its
 * files, and its operator from coming in.
 */
export function withinOpenFiles(
  limits: HostLimits,
  openFiles: number = maxOpenFiles(),
): HostLimits {
  const most = Math.max(fewest, Math.floor((openFiles - reserved) / descriptorsEach))
  const maxConnections = Math.min(limits.maxConnections, most)
  const maxConnectionsOfStrangers = Math.min(
    limits.maxConnectionsOfStrangers,
    Math.ceil(maxConnections / 2),
  )
  return { ...limits, maxConnections, maxConnectionsOfStrangers }
}

/** The limit that holds: Node raises it to the highest it may have when it starts. */
function maxOpenFiles(): number {
  try {
    const [, soft] =
      /^Max open files +(\d+)/m.exec(readFileSync('/proc/self/limits', 'latin1')) ?? []
    return soft === undefined ? Number.POSITIVE_INFINITY : Number(soft)
  } catch {
    return Number.POSITIVE_INFINITY
  }
}
