import type { Duplex } from 'node:stream'
import { Bag, type BagMember } from '../bag.ts'
import { limitKey } from '../client-address.ts'
import type { Clock } from '../clock.ts'
import type { ServerCall } from './call.ts'
import type { Peer } from './call-context.ts'

interface TrackedStream extends BagMember {
  readonly call: ServerCall
}

/** One accepted connection: who is at the other end, and its streams in progress. */
export class Connection {
  /** What its calls name it by. */
  readonly key: string
  readonly peer: Peer
  /** What limits count by: the IP address (of IPv6: its network), or the process on a Unix socket. */
  readonly address: string
  /** Whether the peer has not said who it is, and nothing else says so. */
  readonly isStranger: boolean
  readonly sinceMs: number
  readonly #socket: Duplex
  readonly #streams = new Bag<TrackedStream>()

  constructor(options: {
    readonly key: string
    readonly peer: Peer
    readonly socket: Duplex
    readonly sinceMs: number
  }) {
    this.key = options.key
    this.sinceMs = options.sinceMs
    this.peer = options.peer
    this.address = countedBy(options.peer)
    this.isStranger = options.peer.kind === 'tls' && options.peer.spiffeId === undefined
    this.#socket = options.socket
  }

  /** Keeps a stream in sight until the result is called. */
  trackStream(call: ServerCall): () => void {
    const tracked = { call, bagPlace: 0 }
    this.#streams.add(tracked)
    return () => this.#streams.delete(tracked)
  }

  /** Ends every stream in progress from this side. */
  abortStreams(reason: unknown): void {
    for (const { call } of this.#streams.members()) call.abort(reason)
  }

  /** Cuts the connection, whatever is under way on it. */
  destroy(): void {
    this.#socket.destroy()
  }
}

function countedBy(peer: Peer): string {
  if (peer.kind === 'unix') return `pid:${peer.pid}`
  return peer.process ? `pid:${peer.process.pid}` : limitKey(peer.address)
}

/** A stranger has at least so long before another one may take the place. */
const strangersStayMs = 1_000

/** The connections of a host, by the key that their calls carry. */
export class ConnectionTable {
  readonly #connections = new Map<string, Connection>()
  readonly #byAddress = new Map<string, number>()
  readonly #clock: Clock
  /** Those of peers that have not said who they are, in the order in which they came. */
  readonly #strangers = new Set<Connection>()
  #accepted = 0
  #whenEmpty: (() => void)[] = []

  constructor(clock: Clock) {
    this.#clock = clock
  }

  get size(): number {
    return this.#connections.size
  }

  /**
   * Whether there is a place for one more peer that does not say who it is. Where they have as many as they may, whoever has been there
   * longest makes room: a new node has not, and who only holds a place has.
   */
  admitsStranger(max: number): boolean {
    if (this.#strangers.size < max) return true
    const [oldest] = this.#strangers
    if (!oldest || this.#clock.nowMs() - oldest.sinceMs < strangersStayMs) return false
    this.#strangers.delete(oldest)
    oldest.destroy()
    return true
  }

  /**
   * Whether there is a place for one more of a process, which it names as limits do. Where all places are taken, whoever has most of them loses the last
   * one that it took, if that leaves it with more than the newcomer has then: so nobody who holds many keeps out who holds none.
   */
  admits(address: string, max: number): boolean {
    if (this.size < max) return true
    let [heaviest, most] = ['', this.sizeOf(address) + 1]
    for (const [other, size] of this.#byAddress) if (size > most) [heaviest, most] = [other, size]
    let last: Connection | undefined
    for (const connection of this.#connections.values())
      if (connection.address === heaviest) last = connection
    if (!last) return false
    this.#remove(last)
    last.destroy()
    return true
  }

  /** How many connections are held by one of what limits count by. */
  sizeOf(address: string): number {
    return this.#byAddress.get(address) ?? 0
  }

  /** Registers a connection until its socket closes. */
  add(peer: Peer, socket: Duplex): Connection {
    this.#accepted++
    const key = `peer-${this.#accepted}`
    const connection = new Connection({ key, peer, socket, sinceMs: this.#clock.nowMs() })
    this.#connections.set(connection.key, connection)
    this.#byAddress.set(connection.address, this.sizeOf(connection.address) + 1)
    if (connection.isStranger) this.#strangers.add(connection)
    socket.once('close', () => this.#remove(connection))
    return connection
  }

  find(key: string): Connection | undefined {
    return this.#connections.get(key)
  }

  [Symbol.iterator](): IterableIterator<Connection> {
    return this.#connections.values()
  }

  /** Resolves when no connection is left. */
  empty(): Promise<void> {
    if (this.size === 0) return Promise.resolve()
    return new Promise((resolve) => this.#whenEmpty.push(resolve))
  }

  #remove(connection: Connection): void {
    if (!this.#connections.delete(connection.key)) return
    this.#strangers.delete(connection)
    const left = this.sizeOf(connection.address) - 1
    if (left <= 0) this.#byAddress.delete(connection.address)
    else this.#byAddress.set(connection.address, left)
    if (this.size > 0) return
    for (const resolve of this.#whenEmpty.splice(0)) resolve()
  }
}
