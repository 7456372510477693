import type { Clock } from '../clock.ts'
import { messageOf } from '../errors.ts'
import { exchange } from './exchange.ts'
import { HttpError } from './http-error.ts'
import type { HttpAnswer, HttpRequest } from './http-message.ts'
import { openConnection } from './open-connection.ts'
import { nextHop } from './redirect.ts'
import { ServerTrust } from './server-trust.ts'
import type { Environment } from './system-roots.ts'

const defaults = { timeoutMs: 30_000, maxBytes: 4 * 1024 * 1024 }

/** Options of {@link HttpClient}. */
export interface HttpClientOptions {
  readonly environment: Environment
  readonly clock: Clock
}

/**
 * The one way out over HTTP: the machine's roots and proxies as Go programs honour them, TLS 1.2 or better, bounds on
 * time and size, and no redirects unless they are asked for. Every request has a connection of its own, and TLS sessions
 * are not resumed: trust that is withdrawn is gone with the next request.
 *
 * @example
 * const http = new HttpClient({ environment: process.env, clock: systemClock })
 * const { status, body } = await http.request({ url: 'https://example.org/bundle.json' })
 * @example
 * await http.request({
 *   url: relationship.endpointUrl,
 *   verifyServer: (chain) => expectSpiffeId(verifyX509Svid(chain, bundles, { now: clock.now() })),
 *   redirects: { max: 3 },
 * })
 */
export class HttpClient {
  readonly #environment: Environment
  readonly #clock: Clock
  readonly #trust: ServerTrust

  constructor({ environment, clock }: HttpClientOptions) {
    this.#environment = environment
    this.#clock = clock
    this.#trust = new ServerTrust(environment)
  }

  /** @throws {HttpError} when there is no answer within the bounds */
  async request(request: HttpRequest): Promise<HttpAnswer> {
    const url = parseUrl(request)
    const { timeoutMs = defaults.timeoutMs, signal } = request
    const ending = new AbortController()
    const timer = this.#clock.setTimer(timeoutMs, () => {
      ending.abort(
        new HttpError('ERR_HTTP_TIMEOUT', `no answer from ${url.host} within ${timeoutMs} ms`),
      )
    })
    const onAbort = (): void => ending.abort(signal?.reason)
    signal?.addEventListener('abort', onAbort, { once: true })
    if (signal?.aborted) onAbort()
    try {
      return await this.#follow(url, request, ending.signal)
    } catch (cause) {
      if (ending.signal.aborted) throw ending.signal.reason
      if (cause instanceof HttpError) throw cause
      const message = `no answer from ${url.host}: ${messageOf(cause)}`
      throw new HttpError('ERR_HTTP_UNREACHABLE', message, { cause })
    } finally {
      timer.cancel()
      signal?.removeEventListener('abort', onAbort)
    }
  }

  async #follow(start: URL, first: HttpRequest, signal: AbortSignal): Promise<HttpAnswer> {
    let url = start
    let request = first
    for (let hops = 0; ; hops++) {
      const answer = await this.#exchange(url, request, signal)
      const next = nextHop({ url, request, answer, hops })
      if (!next) return answer
      url = next.url
      request = next.request
    }
  }

  async #exchange(url: URL, request: HttpRequest, signal: AbortSignal): Promise<HttpAnswer> {
    const surroundings = { environment: this.#environment, trust: this.#trust, signal }
    const { socket, isPlainProxy, proxy } = await openConnection(url, request, surroundings)
    const destroy = (): void => {
      socket.destroy()
    }
    signal.addEventListener('abort', destroy, { once: true })
    try {
      signal.throwIfAborted()
      const { maxBytes = defaults.maxBytes } = request
      return await exchange(socket, {
        url,
        request,
        maxBytes,
        plainProxy: isPlainProxy ? proxy : undefined,
      })
    } finally {
      signal.removeEventListener('abort', destroy)
      destroy()
    }
  }
}

function parseUrl({ url: text, unixSocket }: HttpRequest): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (!url || !['http:', 'https:'].includes(url.protocol)) {
    throw new HttpError('ERR_HTTP_URL', 'not an http or https URL')
  }
  if (unixSocket !== undefined && url.protocol !== 'http:') {
    throw new HttpError('ERR_HTTP_URL', 'a Unix socket is spoken to over http')
  }
  return url
}
