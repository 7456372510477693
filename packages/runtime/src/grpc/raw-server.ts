import { randomInt } from 'node:crypto'
import {
  constants,
  createServer,
  type IncomingHttpHeaders,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from 'node:http2'
import type { Duplex } from 'node:stream'
import { GrpcStatus } from '@mini-spire/sdk/grpc-status'
import type { Clock, Timer } from '../clock.ts'
import type { CallContext } from './call-context.ts'
import type { Dispatcher } from './dispatcher.ts'
import type { HostLimits } from './host-limits.ts'
import type { BoundMethod } from './service.ts'
import { WireCall } from './wire-call.ts'

/** gRPC over HTTP/2, fed with connections accepted elsewhere. */
export interface RawServer {
  register<C extends CallContext>(method: BoundMethod<C>, dispatcher: Dispatcher<C>): void
  /** @param key what calls on the connection name it by */
  accept(connection: Duplex, key: string): void
  /** Tells the peer of one connection to go elsewhere (GOAWAY); it closes when its last call has ended. */
  retire(key: string): void
  /** Tells every peer to go elsewhere (GOAWAY); connections close when their last call has ended. */
  drain(): void
  destroy(): void
}

/** Node counts a session's buffers in MB; one that holds more takes no new streams. */
const maxSessionMemoryMb = 64

/** Ages of connections differ by up to this part, so that those of a crowd do not end together. */
const ageSpread = 0.1

/** The largest stream ID: everything the peer has sent by the time it reads this is still served. */
const lastPossibleStream = 2 ** 31 - 1

type Handler = (call: WireCall) => void

/** Options of {@link createRawServer}. */
export interface RawServerOptions {
  readonly limits: HostLimits
  readonly clock: Clock
  /** When a connection is told to go elsewhere, ± 10 %. @default never */
  readonly maxConnectionAgeMs?: number
}

/** Makes a server without listeners. */
export function createRawServer(options: RawServerOptions): RawServer {
  const { limits, clock, maxConnectionAgeMs } = options
  const handlers = new Map<string, Handler>()
  const sessions = new Map<ServerHttp2Session, string>()
  const server = createServer({
    maxSessionMemory: maxSessionMemoryMb,
    maxSendHeaderBlockLength: Number.MAX_SAFE_INTEGER,
    settings: { maxConcurrentStreams: limits.maxStreamsPerConnection },
  })
  let acceptedKey = ''
  server.on('session', (session: ServerHttp2Session) => {
    // Emitted while the connection is being accepted.
    const key = acceptedKey
    sessions.set(session, key)
    const stopAging = maxConnectionAgeMs && age(session, maxConnectionAgeMs, options)
    session.on('stream', (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => {
      const { maxReceiveBytes } = limits
      answer(handlers, { stream, headers, connectionKey: key, maxReceiveBytes, clock })
    })
    session.once('close', () => {
      sessions.delete(session)
      if (stopAging) stopAging()
    })
  })
  return {
    register: (method, dispatcher) => handlers.set(method.path, dispatcher.handler(method)),
    accept: (connection, key) => {
      acceptedKey = key
      server.emit('connection', connection)
    },
    retire: (key) => {
      for (const [session, other] of sessions) if (other === key) sendElsewhere(session)
    },
    drain: () => {
      for (const session of sessions.keys()) sendElsewhere(session)
    },
    destroy: () => {
      for (const session of sessions.keys()) session.destroy(undefined, constants.NGHTTP2_CANCEL)
    },
  }
}

function answer(
  handlers: ReadonlyMap<string, Handler>,
  options: ConstructorParameters<typeof WireCall>[0],
): void {
  const { stream, headers } = options
  const type = headers['content-type']
  if (!type?.startsWith('application/grpc')) {
    stream.on('error', () => {})
    stream.respond({ ':status': constants.HTTP_STATUS_UNSUPPORTED_MEDIA_TYPE }, { endStream: true })
    return
  }
  const call = new WireCall(options)
  const path = headers[':path'] ?? ''
  const handler = handlers.get(path)
  if (handler) {
    handler(call)
    return
  }
  const details = unknownMethodText(path, [...handlers.keys()])
  call.end({ code: GrpcStatus.Unimplemented, details })
}

/** Sends a peer elsewhere when its connection is old, and cuts it when it has not gone by then; returns what stops that. */
function age(
  session: ServerHttp2Session,
  maxAgeMs: number,
  { limits, clock }: RawServerOptions,
): () => void {
  const spreadMs = Math.ceil(maxAgeMs * ageSpread)
  let timer: Timer = clock.setTimer(maxAgeMs + randomInt(-spreadMs, spreadMs + 1), () => {
    sendElsewhere(session)
    timer = clock.setTimer(limits.connectionAgeGraceMs, () => session.destroy())
  })
  return () => timer.cancel()
}

function sendElsewhere(session: ServerHttp2Session): void {
  if (session.closed || session.destroyed) return
  session.goaway(constants.NGHTTP2_NO_ERROR, lastPossibleStream)
  session.close()
}

/** Go's text for a path that no handler serves. */
export function unknownMethodText(path: string, known: readonly string[]): string {
  const slash = path.lastIndexOf('/')
  if (slash <= 0) return `malformed method name: ${JSON.stringify(path)}`
  const service = path.slice(1, slash)
  if (!known.some((other) => other.startsWith(`/${service}/`))) return `unknown service ${service}`
  return `unknown method ${path.slice(slash + 1)} for service ${service}`
}
