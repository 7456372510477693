import { isIP, type Socket } from 'node:net'
import { type ConnectionOptions, connect, type TLSSocket } from 'node:tls'
import { messageOf } from '../errors.ts'
import type { X509SvidSource } from '../x509-svid/index.ts'
import { checkPeer, type PeerCheck, readPeerChain, type TlsPeer } from './peer.ts'
import { svidContext } from './svid-context.ts'
import { TlsError } from './tls-error.ts'

/** Options of {@link connectTls}. */
export interface ConnectTlsOptions extends TlsHandshakeOptions {
  readonly host: string
  readonly port: number
}

/** Options of {@link secureTls}. */
export interface TlsHandshakeOptions extends PeerCheck {
  /** Our identity, asked anew for each connection. @default none: the server sees an anonymous client */
  readonly svids?: X509SvidSource
  /** What SNI asks for. @default the host, if it is a name that is known */
  readonly serverName?: string
  readonly alpnProtocols?: readonly string[]
  /** Gives up when it aborts; the connection that has been made stays. */
  readonly signal?: AbortSignal
}

/** A connection whose peer has been verified. */
export interface TlsConnection {
  readonly socket: TLSSocket
  readonly peer: TlsPeer
}

/**
 * Connects to a server and verifies that it is who it must be, by its SPIFFE ID: host names are not looked at. SVID and
 * bundles are read at each connection, so that rotation needs nothing. Sessions are not resumed.
 *
 * @throws {TlsError} `ERR_TLS_CONNECT`, `ERR_TLS_NO_CERTIFICATE`; {@link X509SvidError}; what the authorizer throws. The socket
 *   is closed then, before anything was written to it
 * @example
 * const { socket, peer } = await connectTls({ host, port, svids: source, bundles: source, authorize: authorizeId(server) })
 */
export function connectTls(options: ConnectTlsOptions): Promise<TlsConnection> {
  const { host, port } = options
  const serverName = options.serverName ?? (isIP(host) === 0 ? host : undefined)
  return handshake({ host, port }, { ...options, ...(serverName !== undefined && { serverName }) })
}

/** As {@link connectTls}, over a connection that is there. */
export function secureTls(socket: Socket, options: TlsHandshakeOptions): Promise<TlsConnection> {
  return handshake({ socket }, options)
}

function handshake(over: ConnectionOptions, options: TlsHandshakeOptions): Promise<TlsConnection> {
  const { signal, alpnProtocols, serverName } = options
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason)
    const socket = connect({
      ...over,
      ...svidContext(options.svids?.getX509Svid()),
      ...(serverName !== undefined && { servername: serverName }),
      ...(alpnProtocols && { ALPNProtocols: [...alpnProtocols] }),
      rejectUnauthorized: false,
    })
    const settle = (): void => {
      signal?.removeEventListener('abort', onAbort)
      socket.removeListener('error', onError)
      socket.removeListener('close', onClose)
    }
    const fail = (error: unknown): void => {
      settle()
      socket.on('error', () => {})
      socket.destroy()
      reject(error)
    }
    const onError = (error: Error): void => fail(connectError(messageOf(error), error))
    const onClose = (): void => fail(connectError('connection closed before the handshake ended'))
    const onAbort = (): void => fail(signal?.reason)
    signal?.addEventListener('abort', onAbort, { once: true })
    socket.once('error', onError)
    socket.once('close', onClose)
    socket.once('secureConnect', () => {
      try {
        const peer = checkPeer(readPeerChain(socket), options)
        settle()
        resolve({ socket, peer })
      } catch (error) {
        fail(error)
      }
    })
  })
}

function connectError(message: string, cause?: unknown): TlsError {
  return new TlsError('ERR_TLS_CONNECT', message, { cause })
}
