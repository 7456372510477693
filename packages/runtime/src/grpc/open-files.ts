import { readFileSync } from 'node:fs'
import type { TurnLimits } from './handshake-turns.ts'
import type { HostLimits } from './host-limits.ts'

/** What a daemon opens beside connections: its store, its log, the files that it writes. */
const reserved = 256
/** A connection on a Unix socket has a descriptor of its process, too. */
const descriptorsEach = 2
const fewest = 16
/** Of what may be open beside that, for connections whose handshake has not ended. */
const shareOfUnfinished = 1 / 4

/**
 * Lowers the bounds of connections to what this process may open: a peer that takes every descriptor would keep it from writing its
 * files, and its operator from coming in.
 */
export function withinOpenFiles(
  limits: HostLimits,
  openFiles: number = maxOpenFiles(),
): HostLimits {
  const free = Math.max(openFiles - reserved, fewest * descriptorsEach)
  const handshakes = handshakesWithin(limits, Math.floor(free * shareOfUnfinished))
  const unfinished = Object.values(handshakes).reduce((sum, each) => sum + each, 0)
  const most = Math.floor((free - unfinished) / descriptorsEach)
  const maxConnections = Math.min(limits.maxConnections, most)
  const maxConnectionsOfStrangers = Math.min(
    limits.maxConnectionsOfStrangers,
    Math.ceil(maxConnections / 2),
  )
  return { ...limits, ...handshakes, maxConnections, maxConnectionsOfStrangers }
}

/** Half of them wait. */
function handshakesWithin(limits: HostLimits, most: number): TurnLimits {
  return {
    maxHandshakes: Math.min(limits.maxHandshakes, Math.ceil(most / 4)),
    maxSlowHandshakes: Math.min(limits.maxSlowHandshakes, Math.floor(most / 4)),
    maxWaitingHandshakes: Math.min(limits.maxWaitingHandshakes, Math.floor(most / 2)),
  }
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
