import type { Socket } from 'node:net'
import { limitKey } from './client-address.ts'

/** How many connections there may be, in total and by one address. */
export interface ConnectionBounds {
  readonly maxConnections: number
  readonly maxConnectionsPerAddress: number
}

/** The open connections of a listener: how many there may be, in total and by one address, of IPv6 by one network. */
export class ConnectionLimits {
  readonly #limits: ConnectionBounds
  readonly #sockets = new Set<Socket>()
  readonly #byAddress = new Map<string, number>()

  constructor(limits: ConnectionBounds) {
    this.#limits = limits
  }

  /** Whether one more from this address may stay. */
  hasRoom(address: string): boolean {
    const { maxConnections, maxConnectionsPerAddress } = this.#limits
    const mine = this.#byAddress.get(limitKey(address)) ?? 0
    return this.#sockets.size < maxConnections && mine < maxConnectionsPerAddress
  }

  /** Counts a connection until it is closed. */
  add(socket: Socket, address: string): void {
    const key = limitKey(address)
    this.#sockets.add(socket)
    this.#byAddress.set(key, (this.#byAddress.get(key) ?? 0) + 1)
    socket.once('close', () => {
      this.#sockets.delete(socket)
      const left = (this.#byAddress.get(key) ?? 1) - 1
      if (left === 0) this.#byAddress.delete(key)
      else this.#byAddress.set(key, left)
    })
  }

  /** Cuts all of them off. */
  destroyAll(): void {
    for (const socket of this.#sockets) socket.destroy()
  }
}
