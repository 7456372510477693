import { createServer, type RequestListener, type Server } from 'node:http'
import type { Clock } from '../clock.ts'
import type { HttpsLimits } from './https-limits.ts'

/** Options of {@link createBoundedHttp}. */
export interface BoundedHttpOptions {
  readonly limits: HttpsLimits
  readonly answer: RequestListener
  readonly clock: Clock
}

/**
 * HTTP/1.1 on connections that are handed in: a request has to arrive, and its answer to be taken, in time; what is not HTTP is cut off.
 */
export function createBoundedHttp({ limits, answer, clock }: BoundedHttpOptions): Server {
  const server = createServer({
    maxHeaderSize: limits.maxHeadBytes,
    headersTimeout: limits.requestTimeoutMs,
    requestTimeout: limits.requestTimeoutMs,
    keepAliveTimeout: limits.idleTimeoutMs,
    connectionsCheckingInterval: 1_000,
  })
  // Without this event, which only its own listener sends, Node never looks for requests that do not arrive.
  server.emit('listening')
  server.maxRequestsPerSocket = limits.maxRequestsPerConnection
  server.on('request', (request, response) => {
    const timer = clock.setTimer(limits.answerTimeoutMs, () => request.socket.destroy())
    response.once('close', () => timer.cancel())
    answer(request, response)
  })
  server.on('clientError', (_error, socket) => socket.destroy())
  return server
}
