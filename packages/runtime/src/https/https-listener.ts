import { constants } from 'node:crypto'
import type { Server as HttpServer, RequestListener } from 'node:http'
import { createServer, type Server, type Socket } from 'node:net'
import {
  createServer as createTlsServer,
  type TLSSocket,
  type TlsOptions,
  type Server as TlsServer,
} from 'node:tls'
import { messageOf } from '@mini-spire/sdk/errors'
import { limitKey } from '../client-address.ts'
import type { Clock } from '../clock.ts'
import { ConnectionLimits } from '../connection-limits.ts'
import { HandshakeAdmission } from '../grpc/admission.ts'
import { type Entrant, HandshakeTurns } from '../grpc/handshake-turns.ts'
import { listenOnTcp } from '../grpc/listen-on-tcp.ts'
import type { Logger } from '../log/logger.ts'
import { createBoundedHttp } from './bounded-http.ts'
import { type ClientHello, readClientHello } from './client-hello.ts'
import { defaultHttpsLimits, type HttpsLimits } from './https-limits.ts'
import type { KeyPair, ServingCertificate } from './serving-certificate.ts'

/** Options of {@link HttpsListener}. */
export interface HttpsListenerOptions {
  /** An IP address. @default every interface */
  readonly host?: string | undefined
  readonly port: number
  readonly certificate: ServingCertificate
  readonly answer: RequestListener
  readonly limits?: Partial<HttpsLimits>
  readonly clock: Clock
  readonly log: Logger
}

const tlsSettings: TlsOptions = {
  ALPNProtocols: ['http/1.1'],
  minVersion: 'TLSv1.2',
  // Each connection sees the certificate of its own time.
  secureOptions: constants.SSL_OP_NO_TICKET,
}

/** The protocol of a certificate authority that asks for a proof [RFC 8737 6.2]. */
const challengeProtocol = 'acme-tls/1'

/**
 * Serves HTTPS to whoever connects: no client certificate is asked for, TLS 1.2 or better, HTTP/1.1. Every stage has bounds: how many
 * connections and handshakes there are, how long a request may take to come and an answer to be taken.
 */
export class HttpsListener implements AsyncDisposable {
  readonly #options: HttpsListenerOptions
  readonly #limits: HttpsLimits
  readonly #admission: HandshakeAdmission
  readonly #turns: HandshakeTurns
  readonly #tcp: Server
  readonly #tls: TlsServer
  readonly #http: HttpServer
  readonly #connections: ConnectionLimits
  /** What frees a handshake's place, by the remote end. */
  readonly #handshakes = new Map<string, () => void>()
  #shown: KeyPair | undefined

  constructor(options: HttpsListenerOptions) {
    this.#options = options
    this.#limits = { ...defaultHttpsLimits, ...options.limits }
    const { answer, clock, log } = options
    this.#connections = new ConnectionLimits(this.#limits)
    const { maxHandshakes, maxSlowHandshakes, maxWaitingHandshakes } = this.#limits
    const unfinished = maxHandshakes + maxSlowHandshakes + maxWaitingHandshakes
    this.#admission = new HandshakeAdmission({
      limits: { ...this.#limits, maxHandshakes: unfinished },
      clock,
    })
    this.#turns = new HandshakeTurns({ limits: this.#limits, clock })
    this.#tcp = createServer({ pauseOnConnect: true, noDelay: true })
    this.#tcp.on('connection', (socket) => this.#connected(socket))
    this.#tls = createTlsServer(tlsSettings)
    this.#tls.on('tlsClientError', (error, socket) => {
      socket.destroy()
      log.debug('TLS handshake failed', { error: messageOf(error) })
    })
    this.#http = createBoundedHttp({ limits: this.#limits, answer, clock, log })
    this.#tls.on('secureConnection', (socket) => this.#secured(socket))
  }

  /** @throws {ListenError} `ERR_LISTEN_FAILED` */
  async listen(): Promise<{ readonly host: string; readonly port: number }> {
    const { host, port } = this.#options
    const bound = await listenOnTcp(this.#tcp, { host, port })
    this.#tcp.on('error', (error) => {
      this.#options.log.warn('Listener failed to accept', { error: messageOf(error) })
    })
    return bound
  }

  /** Stops at once; answers under way are cut off. */
  async [Symbol.asyncDispose](): Promise<void> {
    const closed = new Promise((resolve) => this.#tcp.close(resolve))
    this.#turns.close()
    this.#connections.destroyAll()
    this.#http.close()
    await closed
  }

  #connected(socket: Socket): void {
    socket.on('error', () => {})
    const { remoteAddress } = socket
    if (remoteAddress === undefined || !this.#admit(remoteAddress)) return void socket.destroy()
    this.#connections.add(socket, remoteAddress)
    this.#enter(socket, limitKey(remoteAddress))
  }

  /** Makes a handshake when its turn comes. */
  #enter(socket: Socket, limitedBy: string): void {
    const entrant: Entrant = {
      limitedBy,
      start: () => {
        if (socket.destroyed) this.#turns.leave(entrant)
        else this.#start(socket)
      },
      cut: () => socket.destroy(),
    }
    const end = endOf(socket)
    const timer = this.#options.clock.setTimer(this.#limits.handshakeTimeoutMs, () =>
      socket.destroy(),
    )
    let isUnfinished = true
    const finish = (): void => {
      if (!isUnfinished) return
      isUnfinished = false
      // The end may be another connection's by now: what waits is not seen to have closed.
      if (this.#handshakes.get(end) === finish) this.#handshakes.delete(end)
      timer.cancel()
      this.#admission.leave(limitedBy)
      this.#turns.leave(entrant)
    }
    this.#handshakes.set(end, finish)
    socket.once('close', finish)
    if (!this.#turns.enter(entrant)) socket.destroy()
  }

  #start(socket: Socket): void {
    const { certificate } = this.#options
    if (certificate.isChallenged === true || certificate.find) {
      readFirstRecord(socket, (record) => this.#handshake(socket, readClientHello(record)))
    } else this.#handshake(socket)
  }

  #admit(address: string): boolean {
    return this.#connections.hasRoom(address) && this.#admission.enter(limitKey(address))
  }

  #handshake(socket: Socket, hello?: ClientHello): void {
    const { certificate } = this.#options
    if (hello?.protocols.includes(challengeProtocol)) {
      const proof = certificate.findChallenge?.(hello.serverName)
      if (proof) answerChallenge(socket, proof)
      else socket.destroy()
      return
    }
    const current = certificate.find
      ? certificate.find(hello?.serverName ?? '')
      : certificate.current()
    if (!current) return void socket.destroy()
    if (current !== this.#shown) {
      this.#tls.setSecureContext({ ...tlsSettings, ...current })
      this.#shown = current
    }
    this.#tls.emit('connection', socket)
  }

  #secured(socket: TLSSocket): void {
    socket.on('error', () => {})
    this.#handshakes.get(endOf(socket))?.()
    this.#http.emit('connection', socket)
  }
}

/** A whole TLS record is at most this long, its head included. */
const longestRecord = 5 + 16_384 + 256

/** Waits for the first TLS record, looks at it, and puts it back. */
function readFirstRecord(socket: Socket, look: (record: Uint8Array) => void): void {
  let read: Buffer = Buffer.alloc(0)
  const onData = (piece: Buffer): void => {
    read = Buffer.concat([read, piece])
    const length = read.length < 5 ? longestRecord : 5 + read.readUInt16BE(3)
    if (read.length < Math.min(length, longestRecord)) return
    socket.off('data', onData)
    socket.pause()
    socket.unshift(read)
    look(read.subarray(0, length))
  }
  socket.on('data', onData)
  socket.resume()
}

/** Shows a proof to a certificate authority: the handshake is all it wants [RFC 8737 3]. */
function answerChallenge(socket: Socket, proof: KeyPair): void {
  const settings = { ...tlsSettings, ...proof, ALPNProtocols: [challengeProtocol] }
  const server = createTlsServer(settings, (secured) => {
    secured.on('error', () => {})
    secured.end()
  })
  server.on('tlsClientError', (_error, failed) => failed.destroy())
  server.emit('connection', socket)
}

/** The remote end, which no two open connections share. */
function endOf(socket: Socket): string {
  return `${socket.remoteAddress}|${socket.remotePort}`
}
