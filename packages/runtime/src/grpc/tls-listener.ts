import { constants, type KeyObject } from 'node:crypto'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import {
  createServer as createTlsServer,
  type TLSSocket,
  type TlsOptions,
  type Server as TlsServer,
} from 'node:tls'
import { messageOf } from '@mini-spire/sdk/errors'
import type { Clock } from '../clock.ts'
import type { Logger } from '../log/logger.ts'
import { HandshakeAdmission } from './admission.ts'
import type { ConnectionTable } from './connections.ts'
import type { HostLimits } from './host-limits.ts'
import { ListenError } from './listen-error.ts'
import { tlsPeer, type VerifiedClient } from './tls-peer.ts'

/** A key and its certificate chain, as a TLS listener presents them. */
export interface TlsCredentials {
  readonly key: KeyObject
  /** PEM, leaf first, root left out. */
  readonly cert: string
}

/** Where and how a TLS listener listens. */
export interface TlsListenOptions {
  readonly host: string
  readonly port: number
  /** Asked at start and on every {@link GrpcHost.updateCredentials}; new handshakes use the answer. */
  readonly credentials: () => TlsCredentials
  /** Judges the chain of a client that sent one: returns whose it is, or throws, and the connection is cut. */
  readonly verifyClient: (chain: readonly Uint8Array[]) => VerifiedClient
  /** When a connection is told to go elsewhere, ± 10 %. @default never */
  readonly maxConnectionAgeMs?: number
}

/** What a {@link TlsListener} is made of. */
export interface TlsListenerOptions extends TlsListenOptions {
  readonly log: Logger
  readonly clock: Clock
  readonly limits: HostLimits
  readonly connections: ConnectionTable
  readonly accept: (socket: TLSSocket) => void
}

const backlog = 4096

/** Everything but the key: Node's own check is off because `verifyClient` does it, by SPIFFE's rules. */
const tlsSettings: TlsOptions = {
  requestCert: true,
  rejectUnauthorized: false,
  // Empty, not absent: absent means the public authorities, which OpenSSL would also append to what we send.
  ca: [],
  ALPNProtocols: ['h2'],
  minVersion: 'TLSv1.2',
  // A resumed session would skip the check of the client's certificate.
  secureOptions: constants.SSL_OP_NO_TICKET,
}

interface Waiting {
  readonly socket: Socket
  readonly address: string
  readonly sinceMs: number
}

/** A TCP listener that admits connections before TLS, and knows who is at the other end after it. */
export class TlsListener {
  readonly #options: TlsListenerOptions
  readonly #admission: HandshakeAdmission
  readonly #tcp: Server
  readonly #tls: TlsServer
  readonly #waiting: Waiting[] = []
  /** What frees a handshake's place, by the remote end. */
  readonly #handshakes = new Map<string, () => void>()
  #isStarting = false

  constructor(options: TlsListenerOptions) {
    this.#options = options
    this.#admission = new HandshakeAdmission(options)
    // Paused: nothing is read from a connection that waits for its handshake.
    this.#tcp = createServer({ pauseOnConnect: true, noDelay: true, keepAlive: true })
    const { handshakeTimeoutMs: handshakeTimeout } = options.limits
    this.#tls = createTlsServer({ ...tlsSettings, ...this.#credentials(), handshakeTimeout })
    this.#tls.on('secureConnection', (socket) => this.#secured(socket))
    this.#tls.on('tlsClientError', (error, socket) => {
      socket.destroy()
      options.log.debug('TLS handshake failed', { error: messageOf(error) })
    })
    this.#tcp.on('connection', (socket) => this.#connected(socket))
  }

  /** @throws {ListenError} `ERR_LISTEN_FAILED` */
  async listen(): Promise<{ host: string; port: number }> {
    const { host, port } = this.#options
    await new Promise<void>((resolve, reject) => {
      this.#tcp.once('error', (cause) => {
        const message = `could not listen on ${host}:${port}: ${messageOf(cause)}`
        reject(new ListenError('ERR_LISTEN_FAILED', message, { cause }))
      })
      this.#tcp.listen({ host, port, backlog }, resolve)
    })
    this.#tcp.removeAllListeners('error')
    this.#tcp.on('error', (error) => {
      this.#options.log.warn('Listener failed to accept', { error: messageOf(error) })
    })
    const bound = this.#tcp.address() as AddressInfo
    return { host: bound.address, port: bound.port }
  }

  updateCredentials(): void {
    this.#tls.setSecureContext({ ...tlsSettings, ...this.#credentials() })
  }

  /** Stops accepting, and lets go of what had not finished its handshake. */
  close(): Promise<void> {
    this.#tcp.close()
    for (const { socket } of this.#waiting.splice(0)) socket.destroy()
    return Promise.resolve()
  }

  #credentials(): { key: string; cert: string } {
    const { key, cert } = this.#options.credentials()
    return { key: key.export({ type: 'pkcs8', format: 'pem' }).toString(), cert }
  }

  #connected(socket: Socket): void {
    socket.on('error', () => {})
    const { connections, limits, clock } = this.#options
    const address = socket.remoteAddress
    const isFull =
      address === undefined ||
      connections.size >= limits.maxConnections ||
      connections.sizeOf(address) >= limits.maxConnectionsPerAddress
    const admission = isFull ? 'refuse' : this.#admission.enter(address)
    if (address === undefined || admission === 'refuse') return void socket.destroy()
    if (admission === 'now') this.#handshake(socket, address)
    else this.#waiting.push({ socket, address, sinceMs: clock.nowMs() })
  }

  #handshake(socket: Socket, address: string): void {
    const key = endOf(socket)
    let isRunning = true
    const finish = (): void => {
      if (!isRunning) return
      isRunning = false
      this.#handshakes.delete(key)
      this.#admission.leave(address, 'running')
      this.#startWaiting()
    }
    this.#handshakes.set(key, finish)
    socket.once('close', finish)
    this.#tls.emit('connection', socket)
  }

  /** A place is free: those that waited come in, a few per turn of the loop, so that calls in progress go on. */
  #startWaiting(): void {
    if (this.#isStarting || this.#waiting.length === 0) return
    this.#isStarting = true
    setImmediate(() => {
      this.#isStarting = false
      for (let n = 0; n < startsPerTurn && this.#admission.hasRoom; n++) {
        const next = this.#waiting.shift()
        if (!next) return
        this.#startOne(next)
      }
      if (this.#admission.hasRoom) this.#startWaiting()
    })
  }

  #startOne({ socket, address, sinceMs }: Waiting): void {
    const { limits, clock } = this.#options
    if (socket.destroyed || clock.nowMs() - sinceMs > limits.handshakeTimeoutMs) {
      this.#admission.leave(address, 'waiting')
      socket.destroy()
      return
    }
    this.#admission.promote()
    this.#handshake(socket, address)
  }

  #secured(socket: TLSSocket): void {
    socket.on('error', () => {})
    const { connections, verifyClient, log, accept } = this.#options
    const { remoteAddress: address, remotePort: port } = socket
    this.#handshakes.get(endOf(socket))?.()
    if (socket.alpnProtocol !== 'h2' || address === undefined || port === undefined) {
      return void socket.destroy()
    }
    const startedMs = performance.now()
    try {
      connections.add(tlsPeer(socket, { address, port }, verifyClient), socket)
    } catch (error) {
      this.#admission.charge(address, performance.now() - startedMs)
      log.debug('Refused client certificate', { error: messageOf(error), peer_address: address })
      return void socket.destroy()
    }
    accept(socket)
  }
}

/** Handshakes that start in one turn of the event loop; each costs about a millisecond. */
const startsPerTurn = 8

/** The remote end, which no two open connections share. */
function endOf(socket: Socket): string {
  return `${socket.remoteAddress}|${socket.remotePort}`
}
