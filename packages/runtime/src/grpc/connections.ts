import type { Duplex } from 'node:stream'
import { Bag, type BagMember } from '../bag.ts'
import type { ServerCall } from './call.ts'
import type { Peer } from './call-context.ts'
import { limitKey } from './client-address.ts'

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
  readonly #socket: Duplex
  readonly #streams = new Bag<TrackedStream>()

  constructor(options: {
    readonly key: string
    readonly peer: Peer
    readonly socket: Duplex
  }) {
    this.key = options.key
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

/** The connections of a host, by the key that their calls carry. */
export class ConnectionTable {
  readonly #connections = new Map<string, Connection>()
  readonly #byAddress = new Map<string, number>()
  #strangers = 0
  #accepted = 0
  #whenEmpty: (() => void)[] = []

  get size(): number {
    return this.#connections.size
  }

  /** How many connections are held by peers that have not said who they are. */
  get strangers(): number {
    return this.#strangers
  }

  /** How many connections are held by one of what limits count by. */
  sizeOf(address: string): number {
    return this.#byAddress.get(address) ?? 0
  }

  /** Registers a connection until its socket closes. */
  add(peer: Peer, socket: Duplex): Connection {
    this.#accepted++
    const key = `peer-${this.#accepted}`
    const connection = new Connection({ key, peer, socket })
    this.#connections.set(connection.key, connection)
    this.#byAddress.set(connection.address, this.sizeOf(connection.address) + 1)
    if (connection.isStranger) this.#strangers++
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
    this.#connections.delete(connection.key)
    if (connection.isStranger) this.#strangers--
    const left = this.sizeOf(connection.address) - 1
    if (left <= 0) this.#byAddress.delete(connection.address)
    else this.#byAddress.set(connection.address, left)
    if (this.size > 0) return
    for (const resolve of this.#whenEmpty.splice(0)) resolve()
  }
}
