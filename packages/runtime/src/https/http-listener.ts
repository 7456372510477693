import { chmodSync, lstatSync, statSync, unlinkSync } from 'node:fs'
import type { Server as HttpServer, RequestListener } from 'node:http'
import { createServer, type Server, type Socket } from 'node:net'
import { dirname } from 'node:path'
import { messageOf } from '@mini-spire/sdk/errors'
import type { Clock } from '../clock.ts'
import { ConnectionLimits } from '../connection-limits.ts'
import { ListenError } from '../grpc/listen-error.ts'
import { listenOnTcp } from '../grpc/listen-on-tcp.ts'
import type { Logger } from '../log/logger.ts'
import { systemText } from '../os-error.ts'
import { createBoundedHttp } from './bounded-http.ts'
import { defaultHttpsLimits, type HttpsLimits } from './https-limits.ts'

/** Where a plain listener listens: an address (no host: every interface), or a socket file of a mode. */
export type HttpAddress =
  | { readonly host?: string | undefined; readonly port: number }
  | { readonly path: string; readonly mode: number }

/** Options of {@link HttpListener}. */
export interface HttpListenerOptions {
  readonly address: HttpAddress
  readonly answer: RequestListener
  /** @default {@link plainHttpLimits} */
  readonly limits?: Partial<HttpsLimits>
  readonly clock: Clock
  readonly log: Logger
}

/** Bounds of a plain listener: it is a proxy that speaks for everybody, and keeps its connections. */
export const plainHttpLimits: HttpsLimits = {
  ...defaultHttpsLimits,
  maxConnectionsPerAddress: defaultHttpsLimits.maxConnections,
  idleTimeoutMs: 75_000,
  maxRequestsPerConnection: 10_000,
}

/** Serves HTTP/1.1 without TLS, for a proxy in front or a probe: with the bounds that the HTTPS listener has. */
export class HttpListener implements AsyncDisposable {
  readonly #options: HttpListenerOptions
  readonly #connections: ConnectionLimits
  readonly #server: Server
  readonly #http: HttpServer

  constructor(options: HttpListenerOptions) {
    const { answer, clock, log } = options
    const limits = { ...plainHttpLimits, ...options.limits }
    this.#options = options
    this.#connections = new ConnectionLimits(limits)
    this.#http = createBoundedHttp({ limits, answer, clock, log })
    this.#server = createServer({ noDelay: true })
    this.#server.on('connection', (socket) => this.#connected(socket))
  }

  /**
   * Listens; a socket file of an earlier run is replaced, and nothing but a socket is.
   *
   * @returns the port, 0 for a socket file
   * @throws {ListenError} `ERR_LISTEN_FAILED`, the system's error its cause
   */
  async listen(): Promise<{ readonly port: number }> {
    const { address, log } = this.#options
    const port =
      'path' in address
        ? await this.#listenOnFile(address)
        : (await listenOnTcp(this.#server, address)).port
    this.#server.on('error', (error) => {
      log.warn('Listener failed to accept', { error: messageOf(error) })
    })
    return { port }
  }

  async #listenOnFile({
    path,
    mode,
  }: {
    readonly path: string
    readonly mode: number
  }): Promise<0> {
    try {
      removeStale(path)
      await new Promise<void>((resolve, reject) => {
        this.#server.once('error', reject)
        this.#server.listen({ path }, resolve)
      })
      chmodSync(path, mode)
    } catch (cause) {
      const message = `listen unix ${path}: bind: ${systemText(cause)}`
      throw new ListenError('ERR_LISTEN_FAILED', message, { cause })
    }
    this.#server.removeAllListeners('error')
    return 0
  }

  /** Stops at once; answers under way are cut off. */
  async [Symbol.asyncDispose](): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve))
    this.#connections.destroyAll()
    this.#http.close()
    await closed
  }

  #connected(socket: Socket): void {
    socket.on('error', () => {})
    const address = socket.remoteAddress ?? ''
    if (!this.#connections.hasRoom(address)) return void socket.destroy()
    this.#connections.add(socket, address)
    this.#http.emit('connection', socket)
  }
}

function removeStale(path: string): void {
  // Node says of a folder that is not there that it may not be entered.
  statSync(dirname(path))
  const found = lstatSync(path, { throwIfNoEntry: false })
  if (found?.isSocket()) unlinkSync(path)
}
