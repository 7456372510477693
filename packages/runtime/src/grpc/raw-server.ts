import { constants, type ServerHttp2Session } from 'node:http2'
import type { Duplex } from 'node:stream'
import {
  type ConnectionInjector,
  type handleBidiStreamingCall,
  Server,
  ServerCredentials,
} from '@grpc/grpc-js'
import { GrpcStatus } from '@mini-spire/sdk/grpc-status'
import type { CallContext } from './call-context.ts'
import type { Dispatcher } from './dispatcher.ts'
import type { HostLimits } from './host-limits.ts'
import type { BoundMethod } from './service.ts'

/** A grpc-js server that is fed with connections accepted elsewhere. */
export interface RawServer {
  register<C extends CallContext>(method: BoundMethod<C>, dispatcher: Dispatcher<C>): void
  accept(socket: Duplex): void
  /** Tells the peer of one connection to go elsewhere (GOAWAY); it closes when its last call has ended. */
  retire(key: string): void
  /** Tells every peer to go elsewhere (GOAWAY); connections close when their last call has ended. */
  drain(): void
  destroy(): void
}

/** Node counts a session's buffers in MB; one that holds more takes no new streams. */
const maxSessionMemoryMb = 64

/** The bytes of messages pass through grpc-js as they are: {@link BoundMethod} has the codecs, and Go's error texts. */
const asItIs = (bytes: Buffer): Buffer => bytes

/** Makes a server without listeners; `maxConnectionAgeMs` (± 10 %) is when a connection is told to go elsewhere. */
export function createRawServer(options: {
  readonly limits: HostLimits
  readonly maxConnectionAgeMs?: number
}): RawServer {
  const { limits, maxConnectionAgeMs } = options
  const server = new Server({
    'grpc.enable_channelz': 0,
    'grpc.max_receive_message_length': limits.maxReceiveBytes,
    'grpc.max_send_message_length': -1,
    'grpc.max_concurrent_streams': limits.maxStreamsPerConnection,
    'grpc-node.max_session_memory': maxSessionMemoryMb,
    ...(maxConnectionAgeMs === undefined
      ? {}
      : {
          'grpc.max_connection_age_ms': maxConnectionAgeMs,
          'grpc.max_connection_age_grace_ms': limits.connectionAgeGraceMs,
        }),
  })
  answerUnknownMethodsAsGo(server)
  const injector: ConnectionInjector = server.createConnectionInjector(
    ServerCredentials.createInsecure(),
  )
  return {
    register: (method, dispatcher) => register(server, method, dispatcher),
    accept: (socket) => injector.injectConnection(socket),
    retire: (key) => retireSession(server, key),
    drain: () => injector.destroy(),
    destroy: () => server.forceShutdown(),
  }
}

function register<C extends CallContext>(
  server: Server,
  method: BoundMethod<C>,
  dispatcher: Dispatcher<C>,
): void {
  const { path, kind } = method
  switch (kind) {
    case 'unary':
      server.register(path, dispatcher.unary(method), asItIs, asItIs, 'unary')
      return
    case 'server-stream':
      server.register(path, dispatcher.serverStream(method), asItIs, asItIs, 'serverStream')
      return
    case 'bidi':
      server.register(path, dispatcher.bidi(method), asItIs, asItIs, 'bidi')
      return
    default:
      kind satisfies never
  }
}

/** What grpc-js keeps private and we lean on, with a test: its HTTP/2 sessions. */
interface SessionTable {
  readonly http2Servers: ReadonlyMap<unknown, { readonly sessions: Iterable<ServerHttp2Session> }>
}

/** The largest stream ID: everything the peer has sent by the time it reads this is still served. */
const lastPossibleStream = 2 ** 31 - 1

function retireSession(server: Server, key: string): void {
  const { http2Servers } = server as unknown as SessionTable
  for (const session of [...http2Servers.values()].flatMap(({ sessions }) => [...sessions])) {
    if (session.closed || session.destroyed || session.socket.remoteAddress !== key) continue
    session.goaway(constants.NGHTTP2_NO_ERROR, lastPossibleStream)
    session.close()
  }
}

/** What grpc-js keeps private and we lean on, with a test: where it looks up the handler of a path. */
interface HandlerLookup {
  _retrieveHandler(path: string): unknown
  readonly handlers: ReadonlyMap<string, unknown>
}

/** Peers compare the texts of unknown services and methods with Go's; grpc-js has its own and no way to change it. */
function answerUnknownMethodsAsGo(server: Server): void {
  const lookup = server as unknown as HandlerLookup
  lookup._retrieveHandler = (path) =>
    lookup.handlers.get(path) ?? unknownMethodHandler(path, [...lookup.handlers.keys()])
}

function unknownMethodHandler(path: string, known: readonly string[]): object {
  const func: handleBidiStreamingCall<Buffer, Buffer> = (call) => {
    const details = unknownMethodText(path, known)
    call.emit('error', { code: GrpcStatus.Unimplemented, details })
  }
  return { func, serialize: asItIs, deserialize: asItIs, type: 'bidi', path }
}

/** Go's text for a path that no handler serves. */
export function unknownMethodText(path: string, known: readonly string[]): string {
  const slash = path.lastIndexOf('/')
  if (slash <= 0) return `malformed method name: ${JSON.stringify(path)}`
  const service = path.slice(1, slash)
  if (!known.some((other) => other.startsWith(`/${service}/`))) return `unknown service ${service}`
  return `unknown method ${path.slice(slash + 1)} for service ${service}`
}
