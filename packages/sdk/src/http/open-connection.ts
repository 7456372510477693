import type { Duplex } from 'node:stream'
import { checkHost, connectTcp, connectUnix } from './dial.ts'
import type { HttpRequest } from './http-message.ts'
import { hostOf, portOf, proxyFor } from './proxy.ts'
import type { ServerTrust } from './server-trust.ts'
import type { Environment } from './system-roots.ts'
import { openTunnel } from './tunnel.ts'

/** What a connection is made with. */
export interface ConnectionSurroundings {
  readonly environment: Environment
  readonly trust: ServerTrust
  readonly signal: AbortSignal
}

/** A connection over which a request can be sent: the server at its end has been judged. */
export interface OpenConnection {
  readonly socket: Duplex
  readonly proxy: URL | undefined
  /** Whether the proxy itself answers, rather than a server behind a tunnel. */
  readonly isPlainProxy: boolean
}

/** Connects to where a URL leads: to a Unix socket, straight, or through the proxy of the environment. */
export async function openConnection(
  url: URL,
  request: HttpRequest,
  { environment, trust, signal }: ConnectionSurroundings,
): Promise<OpenConnection> {
  const { unixSocket, checkAddress } = request
  if (unixSocket !== undefined) {
    const socket = await connectUnix(unixSocket, signal)
    return { socket, proxy: undefined, isPlainProxy: false }
  }
  const proxy = request.proxy === 'none' ? undefined : proxyFor(url, environment)
  if (proxy) checkHost(hostOf(url), checkAddress)
  const isSecure = url.protocol === 'https:'
  if (!proxy) {
    const reached = await connectTcp({ host: hostOf(url), port: portOf(url), checkAddress, signal })
    const socket = isSecure ? await trust.secure(reached, hostOf(url), request, signal) : reached
    return { socket, proxy, isPlainProxy: false }
  }
  const reached = await connectTcp({ host: hostOf(proxy), port: portOf(proxy), signal })
  const toProxy =
    proxy.protocol === 'https:' ? await trust.secure(reached, hostOf(proxy), {}, signal) : reached
  if (!isSecure) return { socket: toProxy, proxy, isPlainProxy: true }
  const tunnel = await openTunnel(toProxy, { proxy, url, signal })
  const socket = await trust.secure(tunnel, hostOf(url), request, signal)
  return { socket, proxy, isPlainProxy: false }
}
