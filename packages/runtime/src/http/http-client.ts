import {
  type ClientRequest,
  request as httpRequest,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type RequestOptions,
} from 'node:http'
import { request as httpsRequest } from 'node:https'
import { isIP } from 'node:net'
import type { Duplex } from 'node:stream'
import { connect as connectTls, type TLSSocket } from 'node:tls'
import { messageOf } from '@mini-spire/sdk/errors'
import type { Clock } from '../clock.ts'
import { HttpError } from './http-error.ts'
import { hostOf, proxyFor } from './proxy.ts'
import { type Environment, loadSystemRoots } from './system-roots.ts'

/** One request. */
export interface HttpRequest {
  readonly url: string
  /** @default GET */
  readonly method?: 'GET' | 'HEAD' | 'POST' | 'PUT'
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string | Uint8Array
  /** Talks plain HTTP to this socket, whatever host the URL names. */
  readonly unixSocket?: string
  /** Trusts these authorities (PEM) in place of the machine's. */
  readonly roots?: readonly string[]
  /** For the whole exchange. @default 30000 */
  readonly timeoutMs?: number
  /** A longer body is not read. @default 4194304 */
  readonly maxBytes?: number
  readonly signal?: AbortSignal
}

/** What came back, whatever its status. */
export interface HttpAnswer {
  readonly status: number
  /** `404 Not Found`, as Go prints a status. */
  readonly statusLine: string
  readonly headers: IncomingHttpHeaders
  readonly body: Uint8Array
}

const defaults = { timeoutMs: 30_000, maxBytes: 4 * 1024 * 1024 }

/**
 * The one way out over HTTP: the machine's roots and proxies as Go programs honour them, TLS 1.2 or better, bounds on
 * time and size, and no redirects: an answer that asks for one is returned as it is.
 *
 * @example
 * const http = new HttpClient({ environment: process.env, clock: systemClock })
 * const { status, body } = await http.request({ url: 'https://example.org/bundle.json' })
 */
export class HttpClient {
  readonly #environment: Environment
  readonly #clock: Clock
  #roots: Promise<readonly string[]> | undefined

  constructor(options: { readonly environment: Environment; readonly clock: Clock }) {
    this.#environment = options.environment
    this.#clock = options.clock
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
      return await this.#exchange(url, request, ending.signal)
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

  async #exchange(url: URL, request: HttpRequest, signal: AbortSignal): Promise<HttpAnswer> {
    const { unixSocket, maxBytes = defaults.maxBytes } = request
    const options = optionsOf(url, request, signal)
    if (unixSocket !== undefined) {
      return await send(httpRequest({ ...options, socketPath: unixSocket }), request, maxBytes)
    }
    const proxy = proxyFor(url, this.#environment)
    if (url.protocol === 'http:') {
      const target = proxy ? { ...options, ...viaProxy(proxy, url) } : options
      return await send(httpRequest(target), request, maxBytes)
    }
    const ca = [...(request.roots ?? (await this.#systemRoots()))]
    const secure = { ca, minVersion: 'TLSv1.2' } as const
    if (!proxy) return await send(httpsRequest({ ...options, ...secure }), request, maxBytes)
    const tunnel = await openTunnel(proxy, url, { signal, ca })
    const socket = secureTunnel(tunnel, url, secure)
    try {
      // With an agent, even none, Node would not ask for the connection.
      const { agent: _none, ...through } = options
      const sent = httpRequest({ ...through, createConnection: () => socket })
      return await send(sent, request, maxBytes)
    } finally {
      socket.destroy()
    }
  }

  #systemRoots(): Promise<readonly string[]> {
    this.#roots ??= loadSystemRoots(this.#environment)
    return this.#roots
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

function optionsOf(url: URL, request: HttpRequest, signal: AbortSignal): RequestOptions {
  const { method = 'GET', headers } = request
  return {
    method,
    host: hostOf(url),
    ...(url.port === '' ? {} : { port: Number(url.port) }),
    path: `${url.pathname}${url.search}`,
    headers: { host: url.host, 'accept-encoding': 'identity', ...headers },
    agent: false,
    signal,
  }
}

/** A plain request through a proxy names the whole URL. */
function viaProxy(proxy: URL, url: URL): RequestOptions {
  return {
    host: hostOf(proxy),
    port: Number(proxy.port || 80),
    path: `${url.origin}${url.pathname}${url.search}`,
    headers: { host: url.host, 'accept-encoding': 'identity', ...proxyAuthorization(proxy) },
  }
}

function proxyAuthorization({ username, password }: URL): Record<string, string> {
  if (username === '') return {}
  const pair = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`
  return { 'proxy-authorization': `Basic ${Buffer.from(pair).toString('base64')}` }
}

/** Asks a proxy for a connection to the URL's host. */
function openTunnel(
  proxy: URL,
  url: URL,
  { signal, ca }: { readonly signal: AbortSignal; readonly ca: string[] },
): Promise<Duplex> {
  const isSecure = proxy.protocol === 'https:'
  const authority = `${url.hostname}:${url.port || 443}`
  const options: RequestOptions = {
    method: 'CONNECT',
    host: hostOf(proxy),
    port: Number(proxy.port || (isSecure ? 443 : 80)),
    path: authority,
    headers: { host: authority, ...proxyAuthorization(proxy) },
    agent: false,
    signal,
  }
  return new Promise((resolve, reject) => {
    const request = isSecure ? httpsRequest({ ...options, ca }) : httpRequest(options)
    request.once('error', reject)
    request.once('connect', (answer: IncomingMessage, socket: Duplex) => {
      if (answer.statusCode === 200) return resolve(socket)
      socket.destroy()
      reject(new Error(`the proxy answered ${statusLineOf(answer)}`))
    })
    request.once('response', (answer) => {
      answer.destroy()
      reject(new Error(`the proxy answered ${statusLineOf(answer)}`))
    })
    request.end()
  })
}

function secureTunnel(
  socket: Duplex,
  url: URL,
  secure: { readonly ca: string[]; readonly minVersion: 'TLSv1.2' },
): TLSSocket {
  const host = hostOf(url)
  return connectTls({ socket, host, ...secure, ...(isIP(host) === 0 ? { servername: host } : {}) })
}

function send(sent: ClientRequest, request: HttpRequest, maxBytes: number): Promise<HttpAnswer> {
  return new Promise((resolve, reject) => {
    sent.once('error', reject)
    sent.once('response', (answer) => {
      readBody(answer, maxBytes).then((body) => {
        const { statusCode: status = 0, headers } = answer
        resolve({ status, statusLine: statusLineOf(answer), headers, body })
      }, reject)
    })
    sent.end(request.body)
  })
}

function statusLineOf({ statusCode, statusMessage }: IncomingMessage): string {
  return `${statusCode} ${statusMessage}`.trimEnd()
}

async function readBody(answer: IncomingMessage, maxBytes: number): Promise<Uint8Array> {
  const pieces: Buffer[] = []
  let length = 0
  for await (const piece of answer as AsyncIterable<Buffer>) {
    length += piece.length
    if (length > maxBytes) {
      throw new HttpError('ERR_HTTP_TOO_LARGE', `the answer is longer than ${maxBytes} bytes`)
    }
    pieces.push(piece)
  }
  return Buffer.concat(pieces)
}
