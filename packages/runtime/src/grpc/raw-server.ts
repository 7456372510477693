import { randomInt } from 'node:crypto'
import type { Duplex } from 'node:stream'
import { GrpcStatus } from '@mini-spire/sdk/grpc-status'
import type { Clock } from '../clock.ts'
import { quoteGo } from '../go-quote.ts'
import { encodeHeaders, type HeaderLine } from '../http2/hpack/header-encoder.ts'
import type { RequestMemory, RequestSender } from '../http2/request-memory.ts'
import { ServerSession } from '../http2/server-session.ts'
import type { ServerStream } from '../http2/server-stream.ts'
import type { CallContext } from './call-context.ts'
import { timeoutHeader, timeoutProblem } from './call-timeout.ts'
import type { Dispatcher } from './dispatcher.ts'
import type { HostLimits } from './host-limits.ts'
import type { BoundMethod } from './service.ts'
import type { WireStatus } from './status.ts'
import type { StrangerPace } from './stranger-pace.ts'
import { trailersOf, WireCall } from './wire-call.ts'

/** gRPC over HTTP/2, fed with connections accepted elsewhere. */
export interface RawServer {
  register<C extends CallContext>(method: BoundMethod<C>, dispatcher: Dispatcher<C>): void
  /** @param key what calls on the connection name it by */
  accept(connection: Duplex, key: string, sender: RequestSender): void
  /** Tells the peer of one connection to go elsewhere (GOAWAY); it closes when its last call has ended. */
  retire(key: string): void
  /** Tells every peer to go elsewhere (GOAWAY); connections close when their last call has ended. */
  drain(): void
  destroy(): void
}

/** Ages of connections differ by up to this part, so that those of a crowd do not end together. */
const ageSpread = 0.1

const grpcMediaType = /^application\/grpc(?:$|[+;])/

type Handler = (call: WireCall) => void

/** Options of {@link createRawServer}. */
export interface RawServerOptions {
  readonly limits: HostLimits
  readonly clock: Clock
  /** What is kept of the requests of all connections, perhaps of several servers. */
  readonly memory: RequestMemory
  /** How fast those who have not said who they are may ask. */
  readonly strangerPace: StrangerPace
  /** When a connection is told to go elsewhere, ± 10 %. @default never */
  readonly maxConnectionAgeMs?: number
  /** Told why a connection is cut off. */
  readonly onFailed: (error: unknown) => void
}

/** Makes a server without listeners. */
export function createRawServer(options: RawServerOptions): RawServer {
  const { limits, clock, memory, strangerPace, maxConnectionAgeMs, onFailed } = options
  const handlers = new Map<string, Handler>()
  const sessions = new Map<string, ServerSession>()
  const accept = (socket: Duplex, key: string, sender: RequestSender): void => {
    const { maxReceiveBytes, maxStreamsPerConnection, connectionAgeGraceMs } = limits
    const session = new ServerSession({
      socket,
      clock,
      maxStreams: maxStreamsPerConnection,
      memory: memory.shareOf(sender),
      ...(sender.isStranger && { pace: strangerPace.of(sender.address) }),
      retireMs: connectionAgeGraceMs,
      onRequest: (stream) =>
        answer(handlers, { stream, connectionKey: key, maxReceiveBytes, clock }),
      onClosed: () => {
        sessions.delete(key)
        if (stopAging) stopAging()
      },
      onFailed,
    })
    const stopAging = maxConnectionAgeMs && age(session, maxConnectionAgeMs, clock)
    sessions.set(key, session)
  }
  return {
    register: (method, dispatcher) => handlers.set(method.path, dispatcher.handler(method)),
    accept,
    retire: (key) => sessions.get(key)?.retire(),
    drain: () => {
      for (const session of sessions.values()) session.retire()
    },
    destroy: () => {
      for (const session of sessions.values()) session.destroy()
    },
  }
}

function answer(
  handlers: ReadonlyMap<string, Handler>,
  options: ConstructorParameters<typeof WireCall>[0],
): void {
  const { stream } = options
  const { headers } = stream
  const contentType = headers.first('content-type') ?? ''
  if (!grpcMediaType.test(contentType)) {
    const details = `invalid gRPC request content-type ${quoteGo(contentType.slice(0, 256))}`
    refuse(stream, '415', { code: GrpcStatus.InvalidArgument, details })
    return
  }
  const timeout = headers.first(timeoutHeader)
  const problem = timeout === undefined ? undefined : timeoutProblem(timeout)
  if (problem !== undefined) {
    const details = `malformed grpc-timeout: ${problem}`
    refuseAtOnce(stream, '400', { code: GrpcStatus.Internal, details })
    return
  }
  if (headers.method !== 'POST') {
    const details = `Received a HEADERS frame with :method ${quoteGo(headers.method.slice(0, 256))} which should be POST`
    refuse(stream, '405', { code: GrpcStatus.Internal, details })
    return
  }
  const call = new WireCall(options)
  const handler = handlers.get(headers.path)
  if (handler) {
    handler(call)
    return
  }
  const details = unknownMethodText(headers.path, [...handlers.keys()])
  call.end({ code: GrpcStatus.Unimplemented, details })
}

/** Answers what is no call of gRPC, once the peer has said all of it. */
function refuse(stream: ServerStream, httpStatus: string, status: WireStatus): void {
  stream.read({ data: () => {}, end: () => refuseAtOnce(stream, httpStatus, status) })
}

/** Answers what is no good call: a peer that still speaks is told that nobody listens. */
function refuseAtOnce(stream: ServerStream, httpStatus: string, status: WireStatus): void {
  const lines: readonly HeaderLine[] = [
    [':status', httpStatus],
    ['content-type', 'application/grpc'],
    ...trailersOf(status),
  ]
  stream.sendHeaders(encodeHeaders(lines), true)
}

/** Sends a peer elsewhere when its connection is old; returns what stops that. */
function age(session: ServerSession, maxAgeMs: number, clock: Clock): () => void {
  const spreadMs = Math.ceil(maxAgeMs * ageSpread)
  const delayMs = maxAgeMs + randomInt(-spreadMs, spreadMs + 1)
  const timer = clock.setTimer(delayMs, () => session.retire())
  return () => timer.cancel()
}

/** Go's text for a path that no handler serves. */
export function unknownMethodText(path: string, known: readonly string[]): string {
  const slash = path.lastIndexOf('/')
  if (slash <= 0) return `malformed method name: ${JSON.stringify(path)}`
  const service = path.slice(1, slash)
  if (!known.some((other) => other.startsWith(`/${service}/`))) return `unknown service ${service}`
  return `unknown method ${path.slice(slash + 1)} for service ${service}`
}
