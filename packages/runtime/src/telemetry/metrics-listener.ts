import { createServer, type RequestListener, type Server } from 'node:http'
import { createServer as createTlsServer, type Server as TlsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import type { TLSSocket } from 'node:tls'
import { readPeerChain } from '@mini-spire/sdk/tls'
import type { ConnectionLimits } from '../connection-limits.ts'
import { boundProbes, probeTimeouts } from '../probe-connections.ts'
import type { PrometheusSink } from './prometheus.ts'
import type { MetricsTls } from './prometheus-tls.ts'

/** Where a metrics listener listens. */
export interface MetricsListenerOptions {
  readonly host: string
  readonly port: number
  readonly sink: Pick<PrometheusSink, 'render' | 'contentType'>
  /** @default plain HTTP */
  readonly tls?: MetricsTls
}

/** Serves the metrics on every path, as SPIRE does. */
export class MetricsListener implements AsyncDisposable {
  readonly #options: MetricsListenerOptions
  readonly #server: Server
  readonly #connections: ConnectionLimits

  constructor(options: MetricsListenerOptions) {
    this.#options = options
    const { sink, tls } = options
    const answer: RequestListener = (_request, response) => {
      response.writeHead(200, { 'content-type': sink.contentType }).end(sink.render())
    }
    this.#server = tls ? createSecured(tls, answer) : createServer(probeTimeouts, answer)
    this.#connections = boundProbes(this.#server)
  }

  /** Resolves to the address that was bound. */
  async listen(): Promise<{ host: string; port: number }> {
    const { host, port } = this.#options
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject)
      this.#server.listen({ host, port }, resolve)
    })
    return this.address()
  }

  /** Where it listens, with the port that the system chose if 0 was asked for. */
  address(): { host: string; port: number } {
    const { address, port } = this.#server.address() as AddressInfo
    return { host: address, port }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await new Promise((resolve) => {
      this.#server.close(resolve)
      // Node's own list lacks those whose handshake has not ended, and `close` would wait for them.
      this.#connections.destroyAll()
    })
  }
}

function createSecured({ settings, refresh, verify }: MetricsTls, answer: RequestListener): Server {
  const server: TlsServer = createTlsServer({ ...settings, ...probeTimeouts }, answer)
  if (refresh) {
    // Before Node's own listener, which begins the handshake.
    server.prependListener('connection', () => {
      const next = refresh()
      if (next) server.setSecureContext({ ...settings, ...next })
    })
  }
  if (verify) {
    // Before Node's own listener, which reads the request.
    server.prependListener('secureConnection', (socket: TLSSocket) => {
      try {
        verify(readPeerChain(socket))
      } catch {
        socket.destroy()
      }
    })
  }
  return server
}
