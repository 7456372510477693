import { chmodSync, lstatSync, mkdirSync, statSync, unlinkSync } from 'node:fs'
import { createServer, type Server, type Socket } from 'node:net'
import { dirname } from 'node:path'
import type { Duplex } from 'node:stream'
import { messageOf } from '@mini-spire/sdk/errors'
import type { Logger } from '../log/logger.ts'
import { descriptorOf, loadPeerCalls, type PeerCalls } from '../peer/peer-calls.ts'
import { identifyUnixPeer, pinUnixPeer } from '../peer/unix-peer.ts'
import type { ConnectionTable } from './connections.ts'
import type { HostLimits } from './host-limits.ts'
import { whenKnown } from './java-client.ts'
import { ListenError } from './listen-error.ts'

/** Where a Unix listener listens. */
export interface UnixListenOptions {
  readonly path: string
  /** Mode of the socket file, whatever the umask. */
  readonly mode: number
  /** Mode of its directory when that has to be made. */
  readonly directoryMode: number
  /**
   * Whether callers whose process the kernel cannot name (outside our pid namespace) may connect; their pid is 0.
   *
   * @default false
   */
  readonly acceptsUnidentified?: boolean
}

/** What a {@link UnixListener} is made of. */
export interface UnixListenerOptions extends UnixListenOptions {
  readonly log: Logger
  readonly limits: HostLimits
  readonly connections: ConnectionTable
  /** @param key what the connection is called */
  readonly accept: (connection: Duplex, key: string) => void
  /** Tells the peer of a connection, by its key, to go elsewhere. */
  readonly retire: (key: string) => void
}

/** How many connections the kernel holds until they are accepted; Node's own 511 drops a herd. */
const backlog = 4096
/** What `sockaddr_un` holds, its final zero left out. */
const maxPathBytes = 107

/** A Unix socket on which every connection is tied to the process that opened it. */
export class UnixListener {
  readonly #options: UnixListenerOptions
  readonly #server: Server
  /** Connections that have not said anything yet. */
  readonly #silent = new Set<Socket>()

  constructor(options: UnixListenerOptions) {
    this.#options = options
    this.#server = createServer()
  }

  /** @throws {ListenError} */
  async listen(): Promise<void> {
    const { path, mode, directoryMode } = this.#options
    // The system would cut a longer one short, without a word, and listen elsewhere.
    if (Buffer.byteLength(path) > maxPathBytes) {
      throw listenFailed(path, `the path is longer than ${maxPathBytes} bytes`)
    }
    const calls = await loadPeerCalls()
    prepareDirectory(dirname(path), directoryMode)
    removeStale(path)
    this.#server.on('connection', (socket) => this.#accept(socket, calls))
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', (cause) => reject(listenFailed(path, cause)))
      this.#server.listen({ path, backlog }, resolve)
    })
    this.#server.removeAllListeners('error')
    this.#server.on('error', (error) => {
      this.#options.log.warn('Listener failed to accept', { error: messageOf(error) })
    })
    try {
      chmodSync(path, mode)
    } catch (cause) {
      throw listenFailed(path, cause)
    }
  }

  /** Stops accepting; Node removes the socket file. Connections are the host's, but for those that never spoke. */
  close(): Promise<void> {
    for (const socket of this.#silent) socket.destroy()
    return new Promise((resolve) => {
      this.#server.close(() => resolve())
      // Connections end in the host's own time, and `close` would wait for them.
      resolve()
    })
  }

  #accept(socket: Socket, calls: PeerCalls): void {
    socket.on('error', () => {})
    const { connections, limits, log, accept } = this.#options
    if (connections.size >= limits.maxConnections) return void socket.destroy()
    try {
      const identify = this.#options.acceptsUnidentified ? identifyUnixPeer : pinUnixPeer
      const peer = identify(descriptorOf(socket), calls)
      socket.once('close', () => peer.release())
      if (connections.sizeOf(`pid:${peer.pid}`) >= limits.maxConnectionsPerAddress) {
        return void socket.destroy()
      }
      const { key } = connections.add(peer, socket, this.#options.retire)
      this.#silent.add(socket)
      socket.once('close', () => this.#silent.delete(socket))
      whenKnown(socket, (connection) => {
        this.#silent.delete(socket)
        accept(connection, key)
      })
    } catch (error) {
      log.warn('Connection failed during accept', { error: messageOf(error) })
      socket.destroy()
    }
  }
}

/** Makes the directory, and refuses one where another user could swap the socket for their own. */
function prepareDirectory(directory: string, mode: number): void {
  try {
    if (mkdirSync(directory, { recursive: true, mode }) !== undefined) chmodSync(directory, mode)
    const { uid } = statSync(directory)
    if (uid === 0 || uid === process.geteuid?.()) return
    throw new ListenError(
      'ERR_LISTEN_UNSAFE_DIRECTORY',
      `directory ${directory} of the socket belongs to another user (uid ${uid})`,
    )
  } catch (cause) {
    throw cause instanceof ListenError ? cause : listenFailed(directory, cause)
  }
}

function removeStale(path: string): void {
  try {
    if (lstatSync(path, { throwIfNoEntry: false })) unlinkSync(path)
  } catch (cause) {
    throw listenFailed(path, cause)
  }
}

function listenFailed(path: string, cause: unknown): ListenError {
  const message = `could not listen on ${path}: ${messageOf(cause)}`
  return new ListenError('ERR_LISTEN_FAILED', message, { cause })
}
