import { constants, type KeyObject } from 'node:crypto'
import { createServer, type Server, type Socket } from 'node:net'
import {
  createServer as createTlsServer,
  type TLSSocket,
  type TlsOptions,
  type Server as TlsServer,
} from 'node:tls'
import { messageOf } from '@mini-spire/sdk/errors'
import { limitKey, plainAddress } from '../client-address.ts'
import type { Clock } from '../clock.ts'
import type { Logger } from '../log/logger.ts'
import {
  descriptorOf,
  findDescriptor,
  loadPeerCalls,
  type PeerCalls,
  type PeerCredentials,
} from '../peer/peer-calls.ts'
import { pqKemSettings } from '../pq-kem.ts'
import { HandshakeAdmission } from './admission.ts'
import type { TlsPeer } from './call-context.ts'
import { retireWithCertificate } from './certificate-age.ts'
import type { ConnectionTable } from './connections.ts'
import { type Entrant, HandshakeTurns } from './handshake-turns.ts'
import type { HostLimits } from './host-limits.ts'
import { listenOnTcp } from './listen-on-tcp.ts'
import { type Origin, ProxyProtocol } from './proxy-protocol.ts'
import { tlsPeer, type VerifiedClient } from './tls-peer.ts'
import { listenOnPath, type UnixPath } from './unix-path.ts'

/** A key and its certificate chain, as a TLS listener presents them. */
export interface TlsCredentials {
  readonly key: KeyObject
  /** PEM, leaf first, root left out. */
  readonly cert: string
}

/** How a TLS listener speaks, and with whom. */
export interface TlsSpeech {
  /** Asked at start and on every {@link GrpcHost.updateCredentials}; new handshakes use the answer. */
  readonly credentials: () => TlsCredentials
  /** Judges the chain of a client that sent one: returns whose it is, or throws, and the connection is cut. */
  readonly verifyClient: (chain: readonly Uint8Array[]) => VerifiedClient
  /** Whether a client that sends no certificate is cut off, too. @default false */
  readonly requiresCertificate?: boolean
  /** When a connection is told to go elsewhere, ± 10 %. @default never */
  readonly maxConnectionAgeMs?: number
  /** Clients whose connection may outlive their certificate, because they are told so by what answers them. @default none */
  readonly outlivesCertificate?: (peer: TlsPeer) => boolean
  /** Speaks to nobody without a post-quantum key exchange. @default false */
  readonly requiresPqKem?: boolean
}

/** TLS on a TCP address. */
export interface TlsListenOptions extends TlsSpeech {
  readonly host: string
  readonly port: number
  /** Proxies that tell the address of a client by the PROXY protocol. @default none */
  readonly proxyTrustedCidrs?: readonly string[]
}

/** TLS on a Unix socket: who may connect is said by its modes, and who that is by a certificate. */
export interface TlsUnixListenOptions extends TlsSpeech, UnixPath {}

/** What a {@link TlsListener} is made of. */
export interface TlsListenerOptions extends TlsSpeech {
  readonly at: Pick<TlsListenOptions, 'host' | 'port' | 'proxyTrustedCidrs'> | UnixPath
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
  readonly process?: PeerCredentials
}

interface Handshake {
  readonly client: Client
  /** Frees its place. */
  readonly finish: () => void
}

/** A listener that admits connections before TLS, and knows who is at the other end after it. */
export class TlsListener {
  readonly #options: TlsListenerOptions
  readonly #admission: HandshakeAdmission
  readonly #tcp: Server
  readonly #tls: TlsServer
  readonly #turns: HandshakeTurns
  readonly #proxies: ProxyProtocol | undefined
  /** By the remote end, which with a proxy is the proxy's. */
  readonly #handshakes = new Map<string, Handshake>()
  /** On a Unix socket: what tells whose process connects. */
  #peerCalls: PeerCalls | undefined

  constructor(options: TlsListenerOptions) {
    this.#options = options
    const { at, clock, limits } = options
    const { maxHandshakes, maxSlowHandshakes, maxWaitingHandshakes } = limits
    const unfinished = maxHandshakes + maxSlowHandshakes + maxWaitingHandshakes
    this.#admission = new HandshakeAdmission({
      limits: { ...limits, maxHandshakes: unfinished },
      clock,
    })
    this.#turns = new HandshakeTurns({ limits, clock })
    const trustedCidrs = ('host' in at && at.proxyTrustedCidrs) || []
    if (trustedCidrs.length > 0) this.#proxies = new ProxyProtocol({ trustedCidrs, clock })
    // Paused: nothing is read from a connection that waits for its handshake.
    this.#tcp = createServer({ pauseOnConnect: true, noDelay: true, keepAlive: true })
    const { handshakeTimeoutMs: handshakeTimeout } = limits
    this.#tls = createTlsServer({ ...this.#settings(), handshakeTimeout })
    this.#tls.on('secureConnection', (socket) => this.#secured(socket))
    this.#tls.on('tlsClientError', (error, socket) => {
      socket.destroy()
      options.log.debug('TLS handshake failed', { error: messageOf(error) })
    })
    this.#tcp.on('connection', (socket) => this.#accepted(socket))
  }

  /**
   * @returns the address that was bound; undefined for a Unix socket
   * @throws {ListenError}
   */
  async listen(): Promise<{ host: string; port: number } | undefined> {
    const { at, log } = this.#options
    if ('path' in at) {
      this.#peerCalls = await loadPeerCalls()
      await listenOnPath(this.#tcp, at, log)
      return undefined
    }
    const bound = await listenOnTcp(this.#tcp, { ...at, backlog })
    this.#tcp.on('error', (error) => {
      log.warn('Listener failed to accept', { error: messageOf(error) })
    })
    return bound
  }

  updateCredentials(): void {
    this.#tls.setSecureContext(this.#settings())
  }

  /** Stops accepting, and lets go of what had not finished its handshake. */
  close(): Promise<void> {
    this.#tcp.close()
    this.#proxies?.close()
    this.#turns.close()
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
    if (this.#peerCalls) return void this.#acceptedLocal(socket, this.#peerCalls)
    const { remoteAddress, remotePort } = socket
    if (remoteAddress === undefined || remotePort === undefined) return void socket.destroy()
    const origin = { address: plainAddress(remoteAddress), port: remotePort }
    if (!this.#proxies?.isProxy(origin.address)) {
      this.#connected(socket, clientAt(origin))
      return
    }
    const { log } = this.#options
    this.#proxies.readClient(socket).then(
      (client) => this.#connected(socket, clientAt(client ?? origin)),
      (error: unknown) => {
        socket.destroy()
        log.debug('Refused PROXY header', { error: messageOf(error), peer_address: origin.address })
      },
    )
  }

  #acceptedLocal(socket: Socket, calls: PeerCalls): void {
    try {
      const process = calls.credentials(descriptorOf(socket))
      this.#connected(socket, { address: '', port: 0, limitedBy: `pid:${process.pid}`, process })
    } catch (error) {
      this.#options.log.warn('Connection failed during accept', { error: messageOf(error) })
      socket.destroy()
    }
  }

  #connected(socket: Socket, client: Client): void {
    const { connections, limits } = this.#options
    const isFull =
      connections.size >= limits.maxConnections ||
      connections.sizeOf(client.limitedBy) >= limits.maxConnectionsPerAddress
    if (isFull || !this.#admission.enter(client.limitedBy)) return void socket.destroy()
    this.#enter(socket, client)
  }

  /** Makes a handshake when its turn comes. */
  #enter(socket: Socket, client: Client): void {
    const { limits, clock } = this.#options
    const { limitedBy } = client
    const key = endOf(socket)
    const sinceMs = clock.nowMs()
    const entrant: Entrant = {
      limitedBy,
      start: () => {
        if (clock.nowMs() - sinceMs > limits.handshakeTimeoutMs) socket.destroy()
        if (socket.destroyed) this.#turns.leave(entrant)
        else this.#tls.emit('connection', socket)
      },
      cut: () => socket.destroy(),
    }
    let isUnfinished = true
    const finish = (): void => {
      if (!isUnfinished) return
      isUnfinished = false
      // The end may be another connection's by now: what waits is not seen to have closed.
      if (this.#handshakes.get(key) === handshake) this.#handshakes.delete(key)
      this.#admission.leave(limitedBy)
      this.#turns.leave(entrant)
    }
    const handshake: Handshake = { client, finish }
    this.#handshakes.set(key, handshake)
    socket.once('close', finish)
    if (!this.#turns.enter(entrant)) socket.destroy()
  }

  #secured(socket: TLSSocket): void {
    socket.on('error', () => {})
    const { connections, verifyClient, log, accept, clock, retire, limits } = this.#options
    const { outlivesCertificate = () => false, requiresCertificate } = this.#options
    const handshake = this.#handshakes.get(endOf(socket))
    handshake?.finish()
    if (socket.alpnProtocol !== 'h2' || !handshake) return void socket.destroy()
    const { limitedBy, ...from } = handshake.client
    const startedMs = performance.now()
    let key: string
    try {
      const peer = tlsPeer(socket, from, verifyClient)
      if (requiresCertificate && peer.spiffeId === undefined)
        throw new Error('the client sent no certificate')
      const isStranger = peer.spiffeId === undefined
      if (isStranger && !connections.admitsStranger(limits.maxConnectionsOfStrangers))
        return void socket.destroy()
      key = connections.add(peer, socket).key
      if (!outlivesCertificate(peer))
        retireWithCertificate({ peer, socket, clock, retire: () => retire(key) })
    } catch (error) {
      this.#admission.charge(limitedBy, performance.now() - startedMs)
      log.debug('Refused client certificate', {
        error: messageOf(error),
        peer_address: from.address,
      })
      return void socket.destroy()
    }
    accept(socket, key)
  }
}

function clientAt(origin: Origin): Client {
  return { ...origin, limitedBy: limitKey(origin.address) }
}

/** What no two open connections share: the remote end, and of a Unix socket, where that has no name, the descriptor. */
function endOf(socket: Socket): string {
  const { remoteAddress, remotePort } = socket
  return remoteAddress === undefined
    ? `fd|${findDescriptor(socket)}`
    : `${remoteAddress}|${remotePort}`
}
