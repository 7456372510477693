import type { Socket } from 'node:net'
import type { HttpsLimits } from './https-limits.ts'

/** The open connections of a listener: how many there may be, in total and by one address. */
export class ConnectionLimits {
  readonly #limits: Pick<HttpsLimits, 'maxConnections' | 'maxConnectionsPerAddress'>
  readonly #sockets = new Set<Socket>()
  readonly #byAddress = new Map<string, number>()

  constructor(limits: Pick<HttpsLimits, 'maxConnections' | 'maxConnectionsPerAddress'>) {
    this.#limits = limits
  }

  /** Whether one more from this address may stay. */
  hasRoom(address: string): boolean {
    const { maxConnections, maxConnectionsPerAddress } = this.#limits
    const mine = this.#byAddress.get(address) ?? 0
    return this.#sockets.size < maxConnections && mine < maxConnectionsPerAddress
  }

  /** Counts a connection until it is closed. */
  add(socket: Socket, address: string): void {
    this.#sockets.add(socket)
    this.#byAddress.set(address, (this.#byAddress.get(address) ?? 0) + 1)
    socket.once('close', () => {
      this.#sockets.delete(socket)
      const left = (this.#byAddress.get(address) ?? 1) - 1
      if (left === 0) this.#byAddress.delete(address)
      else this.#byAddress.set(address, left)
    })
  }

  /** Cuts all of them off. */
  destroyAll(): void {
    for (const socket of this.#sockets) socket.destroy()
  }
}
