import type { Server } from 'node:http'
import type { Socket } from 'node:net'
import { ConnectionLimits } from './connection-limits.ts'

/** Who probes or scrapes is one or a few. */
const bounds = { maxConnections: 256, maxConnectionsPerAddress: 32 }
/** As SPIRE's: who sends no request holds no connection for longer. */
const requestTimeoutMs = 10_000
const checkIntervalMs = 1_000

/** What an HTTP server is made with whose connections {@link boundProbes} bounds. */
export const probeTimeouts: {
  readonly headersTimeout: number
  readonly requestTimeout: number
  readonly connectionsCheckingInterval: number
} = {
  headersTimeout: requestTimeoutMs,
  requestTimeout: requestTimeoutMs,
  connectionsCheckingInterval: checkIntervalMs,
}

/**
 * Bounds the connections of a listener that a few ask and anybody may reach: nobody takes all of its places, nor the descriptors of the
 * process, and a connection that cannot be accepted ends nothing.
 */
export function boundProbes(server: Server): ConnectionLimits {
  const connections = new ConnectionLimits(bounds)
  server.on('connection', (socket: Socket) => {
    const address = socket.remoteAddress ?? ''
    if (!connections.hasRoom(address)) return void socket.destroy()
    connections.add(socket, address)
  })
  // Without somebody who hears of it, the second connection that the system refuses would end the process.
  server.on('error', () => {})
  return connections
}
