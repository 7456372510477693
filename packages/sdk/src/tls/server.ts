import type { AddressInfo } from 'node:net'
import { createServer, type Server, type TLSSocket } from 'node:tls'
import type { X509SvidSource } from '../x509-svid/index.ts'
import type { Authorizer } from './authorizer.ts'
import { checkPeer, type PeerCheck, readPeerChain, type TlsPeer } from './peer.ts'
import { svidContext } from './svid-context.ts'

/** Something that says when it has changed, as the sources of the Workload API do. */
export interface Updatable {
  /** Calls back after each change; the result ends that. */
  onUpdate(listener: () => void): () => void
}

/** Options of {@link SvidTlsServer}. */
export interface SvidTlsServerOptions extends PeerCheck {
  /** Our identity; a source that says when it changes is followed. */
  readonly svids: X509SvidSource | (X509SvidSource & Updatable)
  /** Who may connect. */
  readonly authorize: Authorizer
  /** Called with each connection whose peer has been let in. */
  readonly onConnection: (socket: TLSSocket, peer: TlsPeer) => void
  /** Told of connections that were refused, and why. @default nobody */
  readonly onRefused?: (error: unknown, address: string | undefined) => void
  readonly alpnProtocols?: readonly string[]
}

const handshakeTimeoutMs = 10_000

interface Connection {
  readonly peer: TlsPeer
  /** When the peer was verified: an SVID that expires meanwhile ends no connection, trust that is withdrawn does. */
  readonly since: Date
}

/**
 * A server that asks every client for an X509-SVID and lets in those it is told to.
 *
 * A renewed SVID is presented from the next handshake on. When the bundles change, connections whose peers they no longer vouch
 * for are closed. Sessions are not resumed.
 *
 * @example
 * const web = createHttpServer(handler)
 * await using server = new SvidTlsServer({
 *   svids: source, bundles: source, authorize: authorizeMemberOf(ours),
 *   onConnection: (socket) => web.emit('connection', socket),
 * })
 * await server.listen({ port: 8443 })
 */
export class SvidTlsServer implements AsyncDisposable {
  readonly #options: SvidTlsServerOptions
  readonly #server: Server
  readonly #connections = new Map<TLSSocket, Connection>()
  readonly #unfollow: () => void

  constructor(options: SvidTlsServerOptions) {
    this.#options = options
    const { svids, alpnProtocols } = options
    this.#server = createServer({
      ...svidContext(svids.getX509Svid()),
      ...(alpnProtocols && { ALPNProtocols: [...alpnProtocols] }),
      handshakeTimeout: handshakeTimeoutMs,
      requestCert: true,
      rejectUnauthorized: false,
    })
    this.#server.on('secureConnection', (socket) => this.#accept(socket))
    this.#server.on('tlsClientError', (error, socket) =>
      options.onRefused?.(error, socket.remoteAddress),
    )
    this.#unfollow = 'onUpdate' in svids ? svids.onUpdate(() => this.refresh()) : () => {}
  }

  /** Listens and returns where; port 0 takes a free one. */
  listen(options: { readonly host?: string; readonly port: number }): Promise<AddressInfo> {
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject)
      this.#server.listen({ host: options.host, port: options.port }, () => {
        this.#server.removeListener('error', reject)
        resolve(this.#server.address() as AddressInfo)
      })
    })
  }

  /** The peer of a connection that this server let in, such as `request.socket` of an HTTP request. */
  findPeer(socket: unknown): TlsPeer | undefined {
    return this.#connections.get(socket as TLSSocket)?.peer
  }

  /**
   * Reads the SVID and the bundles again. Called by itself when the SVID source says when it changes. Without an SVID to
   * present, the old one stays until there is one.
   */
  refresh(): void {
    try {
      this.#server.setSecureContext(svidContext(this.#options.svids.getX509Svid()))
    } catch (error) {
      this.#options.onRefused?.(error, undefined)
    }
    for (const [socket, { peer, since }] of this.#connections) {
      try {
        checkPeer(peer.chain, { ...this.#options, now: () => since })
      } catch (error) {
        this.#refuse(socket, error)
      }
    }
  }

  /** Stops listening and closes every connection. */
  async close(): Promise<void> {
    this.#unfollow()
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()))
    for (const socket of this.#connections.keys()) socket.destroy()
    await closed
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  #accept(socket: TLSSocket): void {
    socket.on('error', () => socket.destroy())
    try {
      const since = this.#options.now?.() ?? new Date()
      const peer = checkPeer(readPeerChain(socket), { ...this.#options, now: () => since })
      this.#connections.set(socket, { peer, since })
      socket.once('close', () => this.#connections.delete(socket))
      this.#options.onConnection(socket, peer)
    } catch (error) {
      this.#refuse(socket, error)
    }
  }

  #refuse(socket: TLSSocket, error: unknown): void {
    const { remoteAddress } = socket
    socket.destroy()
    this.#options.onRefused?.(error, remoteAddress)
  }
}
