import { request as httpRequest, type IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import { statusLineOf } from './exchange.ts'
import { hostOf, portOf, proxyAuthorization } from './proxy.ts'

/** Where a tunnel leads. */
export interface Tunnel {
  readonly proxy: URL
  readonly url: URL
  readonly signal: AbortSignal
}

/** Asks a proxy, over a connection to it, for a connection to the URL's host. */
export function openTunnel(socket: Duplex, { proxy, url, signal }: Tunnel): Promise<Duplex> {
  const host = hostOf(url)
  const authority = `${host.includes(':') ? `[${host}]` : host}:${portOf(url)}`
  return new Promise((resolve, reject) => {
    const onAbort = (): void => {
      socket.destroy()
      reject(signal.reason)
    }
    const fail = (error: unknown): void => {
      signal.removeEventListener('abort', onAbort)
      socket.destroy()
      reject(error)
    }
    const refuse = (answer: IncomingMessage): void =>
      fail(new Error(`the proxy answered ${statusLineOf(answer)}`))
    const sent = httpRequest({
      method: 'CONNECT',
      path: authority,
      headers: { host: authority, ...proxyAuthorization(proxy) },
      createConnection: () => socket,
    })
    sent.once('error', fail)
    sent.once('connect', (answer: IncomingMessage, tunnel: Duplex, head: Buffer) => {
      if (answer.statusCode !== 200) return refuse(answer)
      // Nobody has spoken TLS yet, so nothing can have come back.
      if (head.length > 0) return fail(new Error('the proxy sent data before it was asked to'))
      signal.removeEventListener('abort', onAbort)
      resolve(tunnel)
    })
    sent.once('response', refuse)
    signal.addEventListener('abort', onAbort, { once: true })
    if (signal.aborted) return onAbort()
    sent.end()
  })
}
