import { createServer, type RequestListener, type Server } from 'node:http'
import { messageOf } from '@mini-spire/sdk/errors'
import type { Clock } from '../clock.ts'
import type { Logger } from '../log/logger.ts'
import type { HttpsLimits } from './https-limits.ts'
import { answerPlainly } from './plain-answer.ts'

/** Options of {@link createBoundedHttp}. */
export interface BoundedHttpOptions {
  readonly limits: HttpsLimits
  readonly answer: RequestListener
  readonly clock: Clock
  readonly log: Logger
}

/**
 * HTTP/1.1 on connections that are handed in: a request has to arrive, and its answer to be taken, in time; what
 * is not HTTP is cut off, and an answer that fails ends nothing else.
 */
export function createBoundedHttp({ limits, answer, clock, log }: BoundedHttpOptions): Server {
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
    try {
      answer(request, response)
    } catch (error) {
      log.error('Failed to answer a request', { error: messageOf(error) })
      if (response.headersSent) request.socket.destroy()
      else answerPlainly(response, { status: 500, text: '500 internal server error' })
    }
  })
  server.on('clientError', (_error, socket) => socket.destroy())
  return server
}
