import { createServer, type Server, type Socket } from 'node:net'
import { messageOf } from '@mini-spire/sdk/errors'
import type { Logger } from '../log/logger.ts'
import { descriptorOf, loadPeerCalls, type PeerCalls } from '../peer/peer-calls.ts'
import { identifyUnixPeer, pinUnixPeer } from '../peer/unix-peer.ts'
import type { ConnectionTable } from './connections.ts'
import type { HostLimits } from './host-limits.ts'
import { listenOnPath, type UnixPath } from './unix-path.ts'

/** Where a Unix listener listens. */
export interface UnixListenOptions extends UnixPath {
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
  readonly accept: (connection: Socket, key: string) => void
}

/** A Unix socket on which every connection is tied to the process that opened it. */
export class UnixListener {
  readonly #options: UnixListenerOptions
  readonly #server: Server

  constructor(options: UnixListenerOptions) {
    this.#options = options
    this.#server = createServer()
  }

  /** @throws {ListenError} */
  async listen(): Promise<void> {
    const calls = await loadPeerCalls()
    this.#server.on('connection', (socket) => this.#accept(socket, calls))
    await listenOnPath(this.#server, this.#options, this.#options.log)
  }

  /** Stops accepting; Node removes the socket file. Connections are the host's. */
  close(): Promise<void> {
    return new Promise((resolve) => {
      this.#server.close(() => resolve())
      // Connections end in the host's own time, and `close` would wait for them.
      resolve()
    })
  }

  #accept(socket: Socket, calls: PeerCalls): void {
    socket.on('error', () => {})
    const { connections, limits, log, accept } = this.#options
    try {
      const identify = this.#options.acceptsUnidentified ? identifyUnixPeer : pinUnixPeer
      const peer = identify(descriptorOf(socket), calls)
      socket.once('close', () => peer.release())
      const address = `pid:${peer.pid}`
      const isFull = connections.sizeOf(address) >= limits.maxConnectionsPerAddress
      if (isFull || !connections.admits(address, limits.maxConnections))
        return void socket.destroy()
      accept(socket, connections.add(peer, socket).key)
    } catch (error) {
      log.warn('Connection failed during accept', { error: messageOf(error) })
      socket.destroy()
    }
  }
}
