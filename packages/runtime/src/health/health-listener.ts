import { createServer, type RequestListener, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { ConnectionLimits } from '../connection-limits.ts'
import { boundProbes, probeTimeouts } from '../probe-connections.ts'
import type { HealthChecks } from './health-checks.ts'

/** Where a health listener listens, and what it answers from. */
export interface HealthListenerOptions {
  readonly host: string
  readonly port: number
  readonly livePath: string
  readonly readyPath: string
  readonly checks: Pick<HealthChecks, 'state'>
}

/** Answers liveness and readiness probes over plain HTTP: 200 or 500, with one JSON object of check → details. */
export class HealthListener implements AsyncDisposable {
  readonly #options: HealthListenerOptions
  readonly #server: Server
  readonly #connections: ConnectionLimits

  constructor(options: HealthListenerOptions) {
    this.#options = options
    const { livePath, readyPath, checks } = options
    const answer: RequestListener = (request, response) => {
      const path = (request.url ?? '').replace(/[?#].*$/s, '')
      const { isLive, isReady, details } = checks.state
      if (path !== livePath && path !== readyPath) {
        response.writeHead(404, { 'content-type': 'text/plain; charset=utf-8' })
        return void response.end('404 page not found\n')
      }
      const isWell = path === livePath ? isLive : isReady
      response.writeHead(isWell ? 200 : 500, { 'content-type': 'application/json' })
      response.end(`${JSON.stringify(details)}\n`)
    }
    this.#server = createServer(probeTimeouts, answer)
    this.#connections = boundProbes(this.#server)
  }

  /** Resolves to the address that was bound. */
  async listen(): Promise<{ host: string; port: number }> {
    const { host, port } = this.#options
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject)
      this.#server.listen({ host, port }, resolve)
    })
    const bound = this.#server.address() as AddressInfo
    return { host: bound.address, port: bound.port }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await new Promise((resolve) => {
      this.#server.close(resolve)
      this.#connections.destroyAll()
    })
  }
}
