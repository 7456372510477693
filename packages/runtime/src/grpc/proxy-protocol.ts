import type { Socket } from 'node:net'
import { plainAddress } from '../client-address.ts'
import type { Clock } from '../clock.ts'
import { IpNetworks } from '../http/ip-networks.ts'
import { parseProxyHeader } from './proxy-header.ts'

/** Who is at the other end of a connection: the client itself, also behind a proxy that says who it is. */
export interface Origin {
  readonly address: string
  readonly port: number
}

/** Options of {@link ProxyProtocol}. */
export interface ProxyProtocolOptions {
  /** `10.0.0.0/8`: the proxies. */
  readonly trustedCidrs: readonly string[]
  readonly clock: Clock
}

/** As SPIRE's: a proxy that says nothing for so long is cut off. */
const headerTimeoutMs = 10_000
/** Connections of proxies whose header has not come; more are refused. */
const maxAwaited = 4_096

/**
 * Knows the clients behind proxies by the PROXY protocol's header. A proxy may send one or not; from anybody else a header is
 * what TLS takes it for, garbage, and ends the connection.
 */
export class ProxyProtocol {
  readonly #trusted: IpNetworks
  readonly #clock: Clock
  readonly #awaited = new Set<Socket>()

  constructor(options: ProxyProtocolOptions) {
    this.#clock = options.clock
    this.#trusted = new IpNetworks(options.trustedCidrs)
  }

  /** Whether an address is that of a proxy. */
  isProxy(address: string): boolean {
    return this.#trusted.include(plainAddress(address))
  }

  /**
   * Reads the header that a proxy's connection may begin with. What comes after it is left on the socket.
   *
   * @returns the client, or undefined when the proxy speaks for itself
   * @throws {Error} when the header is none, does not come in time or the connection ends
   */
  async readClient(socket: Socket): Promise<Origin | undefined> {
    if (this.#awaited.size >= maxAwaited) throw new Error('too many connections without header')
    this.#awaited.add(socket)
    try {
      return await this.#read(socket)
    } finally {
      this.#awaited.delete(socket)
    }
  }

  /** Cuts the connections whose header has not come. */
  close(): void {
    for (const socket of this.#awaited) socket.destroy()
  }

  #read(socket: Socket): Promise<Origin | undefined> {
    return new Promise((resolve, reject) => {
      let bytes = Buffer.alloc(0)
      const finish = (error: Error | undefined, origin?: Origin): void => {
        timer.cancel()
        socket.off('readable', onReadable)
        socket.off('close', onClose)
        if (error) reject(error)
        else resolve(origin)
      }
      const onClose = (): void => finish(new Error('connection ended before its header'))
      const onReadable = (): void => {
        const chunk: Buffer | null = socket.read()
        if (chunk === null) return
        bytes = Buffer.concat([bytes, chunk])
        const header = parseProxyHeader(bytes)
        if (header.kind === 'incomplete') return
        if (header.kind === 'malformed') {
          finish(new Error(header.reason))
          return
        }
        const rest = bytes.subarray(header.kind === 'absent' ? 0 : header.length)
        socket.pause()
        if (rest.length > 0) socket.unshift(rest)
        const { kind } = header
        finish(
          undefined,
          kind === 'proxied' ? { address: header.address, port: header.port } : undefined,
        )
      }
      const timer = this.#clock.setTimer(headerTimeoutMs, () =>
        finish(new Error('no header in time')),
      )
      socket.on('readable', onReadable)
      socket.once('close', onClose)
    })
  }
}
