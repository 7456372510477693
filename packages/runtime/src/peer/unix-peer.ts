import { readFileSync, type Stats, statSync } from 'node:fs'
import type { PeerCalls, PeerCredentials } from './peer-calls.ts'
import { PeerError } from './peer-error.ts'

/** A process that is pinned until it is released. */
export interface PinnedProcess extends PeerCredentials {
  /**
   * Checks that the process is still alive, runs the same executable file (device and inode) and has
   * the same effective user and group.
   *
   * @throws {PeerError} `ERR_PEER_GONE` or `ERR_PEER_CHANGED`
   */
  assertAlive(): void
  /** Closes what pins the process; to be called once. */
  release(): void
}

/** A process that holds the other end of a Unix socket, pinned until the connection closes. */
export interface PinnedPeer extends PinnedProcess {
  readonly kind: 'unix'
}

/**
 * Finds out which process connected, and pins it: one accepted connection is one process, whatever happens to its number.
 *
 * A process that replaced itself between connect and accept cannot be told from what it was before (a documented limit
 * of selectors by path and hash); one that does so later is found out.
 *
 * @throws {PeerError} `ERR_PEER_UNIDENTIFIED` when the kernel names no process (pid 0: outside our pid namespace), `ERR_PEER_GONE` when it has ended
 */
export function pinUnixPeer(fd: number, calls: PeerCalls): PinnedPeer {
  const credentials = calls.credentials(fd)
  const { pid } = credentials
  if (pid <= 0) {
    throw new PeerError('ERR_PEER_UNIDENTIFIED', 'could not resolve caller information')
  }
  return pin(credentials, calls.pidfd(fd, pid), calls)
}

/**
 * Pins the process that has a number now, with the rights that it has now: what is found out about it afterwards is about this
 * process and no other, as long as {@link PinnedProcess.assertAlive} does not throw. A zombie has ended.
 *
 * @throws {PeerError} `ERR_PEER_GONE` when there is no such process; `ERR_PEER_UNSUPPORTED` when it cannot be pinned
 */
export function pinProcess(pid: number, calls: PeerCalls): PinnedProcess {
  const pidfd = calls.openProcess(pid)
  const status = readStatus(pid)
  const [uid = -1, gid = -1] = [effectiveId(status, 'Uid'), effectiveId(status, 'Gid')]
  return pin({ pid, uid, gid }, pidfd, calls)
}

/** Takes a pidfd over, and closes it when its process is not as described. */
function pin(credentials: PeerCredentials, pidfd: number, calls: PeerCalls): PinnedPeer {
  try {
    const executable = executableOf(credentials.pid)
    const peer = new LinuxPeer({ credentials, pidfd, executable, calls })
    peer.assertAlive()
    return peer
  } catch (error) {
    calls.close(pidfd)
    throw error
  }
}

/**
 * Describes whoever connected as far as the kernel can: pinned when it names the process, else (pid 0: outside our pid
 * namespace, as with a socket that a container shares) by user and group only. For sockets on which being able to connect
 * is all a caller has to prove.
 *
 * @throws {PeerError} `ERR_PEER_GONE` when the process has ended
 */
export function identifyUnixPeer(fd: number, calls: PeerCalls): PinnedPeer {
  const credentials = calls.credentials(fd)
  if (credentials.pid > 0) return pinUnixPeer(fd, calls)
  return { kind: 'unix', ...credentials, assertAlive: () => {}, release: () => {} }
}

interface LinuxPeerOptions {
  readonly credentials: PeerCredentials
  readonly pidfd: number
  readonly executable: string | undefined
  readonly calls: PeerCalls
}

class LinuxPeer implements PinnedPeer {
  readonly kind = 'unix'
  readonly pid: number
  readonly uid: number
  readonly gid: number
  readonly #options: LinuxPeerOptions
  #isReleased = false

  constructor(options: LinuxPeerOptions) {
    const { pid, uid, gid } = options.credentials
    this.pid = pid
    this.uid = uid
    this.gid = gid
    this.#options = options
  }

  assertAlive(): void {
    const { pid } = this
    const { executable, pidfd, calls } = this.#options
    const hasOwner = hasCredentials(pid, this)
    const now = executable === undefined ? undefined : executableOf(pid)
    // Last: as long as the pinned process runs, its number was its own while /proc was read.
    if (this.#isReleased || !calls.isRunning(pidfd)) {
      throw new PeerError('ERR_PEER_GONE', `process ${pid} has ended`)
    }
    if (!hasOwner) {
      throw new PeerError('ERR_PEER_CHANGED', `process ${pid} changed its credentials`)
    }
    if (now !== executable) {
      throw new PeerError('ERR_PEER_CHANGED', `process ${pid} runs another executable`)
    }
  }

  release(): void {
    if (this.#isReleased) return
    this.#isReleased = true
    this.#options.calls.close(this.#options.pidfd)
  }
}

/** Device and inode of what a process runs; undefined when we may not look (another user's process) or it has ended. */
function executableOf(pid: number): string | undefined {
  const stats = statOrUndefined(`/proc/${pid}/exe`)
  return stats && `${stats.dev}:${stats.ino}`
}

/**
 * Whether a process has these effective IDs. The owner of its /proc directory says so, except for a process that may
 * not be dumped: there root owns the directory, and the status file is read.
 */
function hasCredentials(pid: number, { uid, gid }: PeerCredentials): boolean {
  const owner = statOrUndefined(`/proc/${pid}`)
  if (!owner) return false
  if (owner.uid === uid && owner.gid === gid) return true
  const status = readStatus(pid)
  return effectiveId(status, 'Uid') === uid && effectiveId(status, 'Gid') === gid
}

function effectiveId(status: string, name: 'Uid' | 'Gid'): number | undefined {
  const [, effective] = new RegExp(`^${name}:\\t\\d+\\t(\\d+)`, 'm').exec(status) ?? []
  return effective === undefined ? undefined : Number(effective)
}

function readStatus(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/status`, 'latin1')
  } catch {
    return ''
  }
}

function statOrUndefined(path: string): Stats | undefined {
  try {
    return statSync(path)
  } catch {
    return undefined
  }
}
