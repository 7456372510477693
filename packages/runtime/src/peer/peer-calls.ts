import type { Socket } from 'node:net'
import { PeerError } from './peer-error.ts'

/** Who opened the other end of a socket, as the kernel noted it at connect. */
export interface PeerCredentials {
  readonly pid: number
  readonly uid: number
  readonly gid: number
}

/** The system calls that Node does not offer. */
export interface PeerCalls {
  /** SO_PEERCRED. @throws {PeerError} `ERR_PEER_UNIDENTIFIED` */
  credentials(fd: number): PeerCredentials
  /** A descriptor of the peer's process (SO_PEERPIDFD, else pidfd_open); the caller closes it. @throws {PeerError} `ERR_PEER_GONE` */
  pidfd(fd: number, pid: number): number
  /**
   * A descriptor of the process that has this number now; the caller closes it.
   *
   * @throws {PeerError} `ERR_PEER_GONE` when there is none; `ERR_PEER_UNSUPPORTED` when the system has no descriptor left
   */
  openProcess(pid: number): number
  /** Whether the process behind a pidfd has not ended; a zombie has. */
  isRunning(pidfd: number): boolean
  close(fd: number): void
}

const solSocket = 1
const soPeerCred = 17
/** Linux 6.5. */
const soPeerPidfd = 77
/** Linux 5.3; the number is the same on every architecture. */
const sysPidfdOpen = 434
const pollIn = 1
/** EINTR */
const interrupted = 4
/** ENOENT, ESRCH, EINVAL: no process, one of another pid namespace, or a thread. */
const noSuchProcess: readonly number[] = [2, 3, 22]

/**
 * Loads the system calls through koffi, on first use: it is one of the three modules that do work at import.
 *
 * @throws {PeerError} `ERR_PEER_UNSUPPORTED` where it cannot be loaded or the system is not Linux
 */
export async function loadPeerCalls(): Promise<PeerCalls> {
  if (process.platform !== 'linux') {
    throw new PeerError('ERR_PEER_UNSUPPORTED', 'peers of Unix sockets are known on Linux only')
  }
  try {
    const { default: koffi } = await import('koffi')
    return bindPeerCalls(koffi)
  } catch (cause) {
    throw new PeerError('ERR_PEER_UNSUPPORTED', 'the native call library could not be loaded', {
      cause,
    })
  }
}

type Koffi = typeof import('koffi')['default']

function bindPeerCalls(koffi: Koffi): PeerCalls {
  const libc = koffi.load(null)
  const getsockopt = libc.func('int getsockopt(int, int, int, _Out_ void *, _Inout_ uint32_t *)')
  const syscall = libc.func('long syscall(long, long, unsigned long)')
  const poll = libc.func('int poll(_Inout_ uint8_t *, unsigned long, int)')
  const close = libc.func('int close(int)')
  return {
    credentials(fd) {
      const ucred = Buffer.alloc(12)
      if (getsockopt(fd, solSocket, soPeerCred, ucred, [ucred.length]) !== 0) {
        throw new PeerError('ERR_PEER_UNIDENTIFIED', `peer credentials: errno ${koffi.errno()}`)
      }
      return { pid: ucred.readInt32LE(0), uid: ucred.readUInt32LE(4), gid: ucred.readUInt32LE(8) }
    },
    pidfd(fd, pid) {
      const result = Buffer.alloc(4)
      if (getsockopt(fd, solSocket, soPeerPidfd, result, [result.length]) === 0) {
        return result.readInt32LE(0)
      }
      const opened = Number(syscall(sysPidfdOpen, pid, 0))
      if (opened < 0) {
        throw new PeerError('ERR_PEER_GONE', `process ${pid} has ended: errno ${koffi.errno()}`)
      }
      return opened
    },
    openProcess(pid) {
      const opened = Number(syscall(sysPidfdOpen, pid, 0))
      if (opened >= 0) return opened
      const errno = koffi.errno()
      if (noSuchProcess.includes(errno))
        throw new PeerError('ERR_PEER_GONE', `process ${pid} does not exist`)
      throw new PeerError('ERR_PEER_UNSUPPORTED', `process ${pid} cannot be held: errno ${errno}`)
    },
    isRunning(pidfd) {
      const request = Buffer.alloc(8)
      request.writeInt32LE(pidfd, 0)
      request.writeInt16LE(pollIn, 4)
      // A signal that comes meanwhile (a profiler's, for instance) says nothing about the process.
      for (;;) {
        const ready = poll(request, 1, 0)
        if (ready >= 0 || koffi.errno() !== interrupted) return ready === 0
      }
    },
    close: (fd) => void close(fd),
  }
}

/**
 * The descriptor of an accepted socket. Node does not document the field; every supported version has it, and a test holds on to that.
 *
 * @throws {PeerError} `ERR_PEER_UNIDENTIFIED` for a socket that is closed already
 */
export function descriptorOf(socket: Socket): number {
  const fd = findDescriptor(socket)
  if (fd === undefined || fd < 0) {
    throw new PeerError('ERR_PEER_UNIDENTIFIED', 'the connection has no descriptor')
  }
  return fd
}

/** As {@link descriptorOf}; a TLS socket has that of what it speaks over. */
export function findDescriptor(socket: Socket): number | undefined {
  const { _handle: handle } = socket as unknown as { readonly _handle?: { readonly fd?: number } }
  return handle?.fd
}
