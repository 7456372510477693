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
import { pqKemSettings } from '../pq-kem.ts'
import { HandshakeAdmission } from './admission.ts'
import type { TlsPeer } from './call-context.ts'
import { retireWithCertificate } from './certificate-age.ts'
import { limitKey, plainAddress } from './client-address.ts'
import type { ConnectionTable } from './connections.ts'
import type { HostLimits } from './host-limits.ts'
import { ListenError } from './listen-error.ts'
import { type Origin, ProxyProtocol } from './proxy-protocol.ts'
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
  /** Clients whose connection may outlive their certificate, because they are told so by what answers them. @default none */
  readonly outlivesCertificate?: (peer: TlsPeer) => boolean
  /** Proxies that tell the address of a client by the PROXY protocol. @default none */
  readonly proxyTrustedCidrs?: readonly string[]
  /** Speaks to nobody without a post-quantum key exchange. @default false */
  readonly requiresPqKem?: boolean
}

/** What a {@link TlsListener} is made of. */
export interface TlsListenerOptions extends TlsListenOptions {
  readonly log: Logger
  readonly clock: Clock
  readonly limits: HostLimits
  readonly connections: ConnectionTable
  /** @param key what the connection is called */
  readonly accept: (connection: TLSSocket, key: string) => void
  readonly retire: (key: string) => void
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

/** Where a connection is from, and what bounds count it by. */
interface Client extends Origin {
  readonly limitedBy: string
}

interface Waiting {
  readonly socket: Socket
  readonly client: Client
  readonly sinceMs: number
}

interface Handshake {
  readonly client: Client
  /** Frees its place. */
  readonly finish: () => void
}

/** A TCP listener that admits connections before TLS, and knows who is at the other end after it. */
export class TlsListener {
  readonly #options: TlsListenerOptions
  readonly #admission: HandshakeAdmission
  readonly #tcp: Server
  readonly #tls: TlsServer
  readonly #waiting: Waiting[] = []
  readonly #proxies: ProxyProtocol | undefined
  /** By the remote end, which with a proxy is the proxy's. */
  readonly #handshakes = new Map<string, Handshake>()
  #isStarting = false

  constructor(options: TlsListenerOptions) {
    this.#options = options
    this.#admission = new HandshakeAdmission(options)
    const { proxyTrustedCidrs: trustedCidrs = [], clock } = options
    if (trustedCidrs.length > 0) this.#proxies = new ProxyProtocol({ trustedCidrs, clock })
    // Paused: nothing is read from a connection that waits for its handshake.
    this.#tcp = createServer({ pauseOnConnect: true, noDelay: true, keepAlive: true })
    const { handshakeTimeoutMs: handshakeTimeout } = options.limits
    this.#tls = createTlsServer({ ...this.#settings(), handshakeTimeout })
    this.#tls.on('secureConnection', (socket) => this.#secured(socket))
    this.#tls.on('tlsClientError', (error, socket) => {
      socket.destroy()
      options.log.debug('TLS handshake failed', { error: messageOf(error) })
    })
    this.#tcp.on('connection', (socket) => this.#accepted(socket))
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
    this.#tls.setSecureContext(this.#settings())
  }

  /** Stops accepting, and lets go of what had not finished its handshake. */
  close(): Promise<void> {
    this.#tcp.close()
    this.#proxies?.close()
    for (const { socket } of this.#waiting.splice(0)) socket.destroy()
    return Promise.resolve()
  }

  #settings(): TlsOptions {
    const { credentials, requiresPqKem } = this.#options
    const { key, cert } = credentials()
    const own = { key: key.export({ type: 'pkcs8', format: 'pem' }), cert }
    return { ...tlsSettings, ...(requiresPqKem && pqKemSettings), ...own }
  }

  #accepted(socket: Socket): void {
    socket.on('error', () => {})
    const { remoteAddress, remotePort } = socket
    if (remoteAddress === undefined || remotePort === undefined) return void socket.destroy()
    const origin = { address: plainAddress(remoteAddress), port: remotePort }
    if (!this.#proxies?.isProxy(origin.address)) {
      this.#connected(socket, origin)
      return
    }
    const { log } = this.#options
    this.#proxies.readClient(socket).then(
      (client) => this.#connected(socket, client ?? origin),
      (error: unknown) => {
        socket.destroy()
        log.debug('Refused PROXY header', { error: messageOf(error), peer_address: origin.address })
      },
    )
  }

  #connected(socket: Socket, origin: Origin): void {
    const { connections, limits, clock } = this.#options
    const client = { ...origin, limitedBy: limitKey(origin.address) }
    const isFull =
      connections.size >= limits.maxConnections ||
      connections.sizeOf(client.limitedBy) >= limits.maxConnectionsPerAddress
    const admission = isFull ? 'refuse' : this.#admission.enter(client.limitedBy)
    if (admission === 'refuse') return void socket.destroy()
    if (admission === 'now') this.#handshake(socket, client)
    else this.#waiting.push({ socket, client, sinceMs: clock.nowMs() })
  }

  #handshake(socket: Socket, client: Client): void {
    const key = endOf(socket)
    let isRunning = true
    const finish = (): void => {
      if (!isRunning) return
      isRunning = false
      this.#handshakes.delete(key)
      this.#admission.leave(client.limitedBy, 'running')
      this.#startWaiting()
    }
    this.#handshakes.set(key, { client, finish })
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

  #startOne({ socket, client, sinceMs }: Waiting): void {
    const { limits, clock } = this.#options
    if (socket.destroyed || clock.nowMs() - sinceMs > limits.handshakeTimeoutMs) {
      this.#admission.leave(client.limitedBy, 'waiting')
      socket.destroy()
      return
    }
    this.#admission.promote()
    this.#handshake(socket, client)
  }

  #secured(socket: TLSSocket): void {
    socket.on('error', () => {})
    const { connections, verifyClient, log, accept, clock, retire } = this.#options
    const { outlivesCertificate = () => false } = this.#options
    const handshake = this.#handshakes.get(endOf(socket))
    handshake?.finish()
    if (socket.alpnProtocol !== 'h2' || !handshake) return void socket.destroy()
    const { address, port, limitedBy } = handshake.client
    const startedMs = performance.now()
    let key: string
    try {
      const peer = tlsPeer(socket, { address, port }, verifyClient)
      key = connections.add(peer, socket).key
      if (!outlivesCertificate(peer))
        retireWithCertificate({ peer, socket, clock, retire: () => retire(key) })
    } catch (error) {
      this.#admission.charge(limitedBy, performance.now() - startedMs)
      log.debug('Refused client certificate', { error: messageOf(error), peer_address: address })
      return void socket.destroy()
    }
    accept(socket, key)
  }
}

/** Handshakes that start in one turn of the event loop; each costs about a millisecond. */
const startsPerTurn = 8

/** The remote end, which no two open connections share. */
function endOf(socket: Socket): string {
  return `${socket.remoteAddress}|${socket.remotePort}`
}
