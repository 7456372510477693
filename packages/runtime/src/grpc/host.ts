import type { Socket } from 'node:net'
import { isSpiffeError, messageOf } from '@mini-spire/sdk/errors'
import type { Clock } from '../clock.ts'
import { sleep } from '../clock.ts'
import { RequestMemory, type RequestSender } from '../http2/request-memory.ts'
import type { Logger } from '../log/logger.ts'
import { ApiError } from './api-error.ts'
import type { CallContext, Peer } from './call-context.ts'
import type { CallHooks } from './call-hooks.ts'
import { CallSlots } from './call-slots.ts'
import { ConnectionTable } from './connections.ts'
import { Dispatcher } from './dispatcher.ts'
import { defaultHostLimits, type HostLimits } from './host-limits.ts'
import { withinOpenFiles } from './open-files.ts'
import { createRawServer, type RawServer } from './raw-server.ts'
import type { ServiceBinding } from './service.ts'
import { StrangerPace } from './stranger-pace.ts'
import { installStrictUtf8 } from './strict-utf8.ts'
import {
  TlsListener,
  type TlsListenerOptions,
  type TlsListenOptions,
  type TlsSpeech,
  type TlsUnixListenOptions,
} from './tls-listener.ts'
import { UnixListener, type UnixListenOptions } from './unix-listener.ts'

/** What a {@link GrpcHost} serves, and how. */
export interface GrpcHostOptions<C extends CallContext> {
  readonly services: readonly ServiceBinding<C>[]
  readonly hooks: CallHooks<C>
  readonly clock: Clock
  readonly log: Logger
  /** Bounds that differ from {@link defaultHostLimits}. */
  readonly limits?: Partial<HostLimits>
}

interface Listener {
  close(): Promise<void>
}

/**
 * Serves gRPC on a Unix socket and over TLS, with who is at the other end known for every call.
 *
 * @example
 * await using host = new GrpcHost({ services: [bindService(HealthService, handlers)], hooks, clock, log })
 * await host.listenUnix({ path: '/tmp/api.sock', mode: 0o770, directoryMode: 0o750 })
 */
export class GrpcHost<C extends CallContext> implements AsyncDisposable {
  readonly #options: GrpcHostOptions<C>
  readonly #limits: HostLimits
  readonly #connections: ConnectionTable
  readonly #dispatcher: Dispatcher<C>
  readonly #requestMemory: RequestMemory
  readonly #strangerPace: StrangerPace
  readonly #servers: RawServer[] = []
  readonly #listeners: Listener[] = []
  readonly #tlsListeners: TlsListener[] = []
  #isStopping = false

  constructor(options: GrpcHostOptions<C>) {
    installStrictUtf8()
    this.#options = options
    this.#limits = withinOpenFiles({ ...defaultHostLimits, ...options.limits })
    const { hooks, clock, log } = options
    this.#connections = new ConnectionTable(clock)
    const { maxCalls: max, maxCallsPerAddress: maxPerAddress } = this.#limits
    const slots = new CallSlots({ max, maxPerAddress })
    const { maxRequestBytes, maxRequestBytesOfStrangers, maxRequestBytesPerAddress } = this.#limits
    this.#requestMemory = new RequestMemory({
      maxBytes: maxRequestBytes,
      maxBytesOfStrangers: maxRequestBytesOfStrangers,
      maxBytesPerAddress: maxRequestBytesPerAddress,
    })
    this.#strangerPace = new StrangerPace({ limits: this.#limits, clock })
    this.#dispatcher = new Dispatcher({ hooks, clock, log, connections: this.#connections, slots })
  }

  /**
   * Listens on a Unix socket: makes its directory, removes a socket that nobody serves any more, sets the modes, and
   * knows the process behind every connection.
   *
   * @throws {ListenError} `ERR_LISTEN_UNSAFE_DIRECTORY` when another user owns the directory, `ERR_LISTEN_FAILED` when the system refuses
   */
  async listenUnix(options: UnixListenOptions): Promise<void> {
    const server = this.#createServer({})
    const { log } = this.#options
    const listener = new UnixListener({
      ...options,
      log,
      limits: this.#limits,
      connections: this.#connections,
      accept: (socket, key) => this.#accept(server, socket, key),
    })
    this.#listeners.push(listener)
    await listener.listen()
  }

  /**
   * Listens on TCP with TLS 1.2 or better and `h2`; a client certificate is optional and judged by `verifyClient`.
   *
   * @returns the address that was bound, with the port the system chose if 0 was asked for
   * @throws {ListenError} `ERR_LISTEN_FAILED`
   */
  async listenTls(options: TlsListenOptions): Promise<{ host: string; port: number }> {
    const bound = await this.#listenTls(options, options)
    if (!bound) throw new Error('a TCP listener has an address')
    return bound
  }

  /**
   * The same on a Unix socket. Who connects is known by its certificate; its process only counts for limits.
   *
   * @throws {ListenError} as {@link listenUnix}
   */
  async listenTlsUnix(options: TlsUnixListenOptions): Promise<void> {
    await this.#listenTls(options, options)
  }

  async #listenTls(
    at: TlsListenerOptions['at'],
    speech: TlsSpeech,
  ): Promise<{ host: string; port: number } | undefined> {
    const { maxConnectionAgeMs } = speech
    const server = this.#createServer(
      maxConnectionAgeMs === undefined ? {} : { maxConnectionAgeMs },
    )
    const { log, clock } = this.#options
    const listener = new TlsListener({
      ...speech,
      at,
      log,
      clock,
      limits: this.#limits,
      connections: this.#connections,
      accept: (socket, key) => this.#accept(server, socket, key),
      retire: (key) => server.retire(key),
    })
    this.#listeners.push(listener)
    this.#tlsListeners.push(listener)
    return await listener.listen()
  }

  /** Asks for the TLS credentials anew; connections that exist keep what they have. */
  updateCredentials(): void {
    for (const listener of this.#tlsListeners) listener.updateCredentials()
  }

  /** Cuts the connections of the peers that match, with what is under way on them; returns how many. */
  closeConnections(matches: (peer: Peer) => boolean): number {
    const found = [...this.#connections].filter((connection) => matches(connection.peer))
    for (const connection of found) connection.destroy()
    return found.length
  }

  /** How many connections are open. */
  get connectionCount(): number {
    return this.#connections.size
  }

  /**
   * Stops: no new connections or calls, streams end at once (their callers reconnect elsewhere), other calls get the
   * grace to finish, then connections are cut. A second call waits for the first.
   *
   * @returns whether all ended by themselves
   */
  async stop(graceMs: number): Promise<boolean> {
    if (!this.#isStopping) {
      this.#isStopping = true
      for (const server of this.#servers) server.drain()
      for (const connection of this.#connections) connection.abortStreams(stopping())
    }
    await Promise.all(this.#listeners.map((listener) => listener.close()))
    const done = new AbortController()
    const { clock } = this.#options
    await Promise.race([this.#connections.empty(), sleep(clock, graceMs, done.signal)])
    done.abort()
    const isEmpty = this.#connections.size === 0
    for (const connection of this.#connections) connection.destroy()
    for (const server of this.#servers) server.destroy()
    return isEmpty
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop(0)
  }

  /** A handshake that was under way when the host stopped ends in nothing. */
  #accept(server: RawServer, socket: Socket, key: string): void {
    if (this.#isStopping) socket.destroy()
    else server.accept(socket, key, this.#senderOf(key))
  }

  #senderOf(key: string): RequestSender {
    const { address = '', isStranger = true } = this.#connections.find(key) ?? {}
    return { address, isStranger }
  }

  #createServer(options: { readonly maxConnectionAgeMs?: number }): RawServer {
    const { clock, log } = this.#options
    const onFailed = (error: unknown): void => {
      if (isSpiffeError(error)) log.debug('Connection failed', { error: error.message })
      else log.error('Internal error', { error: messageOf(error) })
    }
    const server = createRawServer({
      ...options,
      clock,
      limits: this.#limits,
      memory: this.#requestMemory,
      strangerPace: this.#strangerPace,
      onFailed,
    })
    for (const { methods } of this.#options.services) {
      for (const method of methods) server.register(method, this.#dispatcher)
    }
    this.#servers.push(server)
    return server
  }
}

function stopping(): ApiError {
  return new ApiError('unavailable', 'server is stopping')
}
