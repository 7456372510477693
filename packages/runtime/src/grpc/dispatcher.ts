import { messageOf } from '@mini-spire/sdk/errors'
import { GrpcStatus } from '@mini-spire/sdk/grpc-status'
import type { Clock } from '../clock.ts'
import type { Logger } from '../log/logger.ts'
import { ApiError } from './api-error.ts'
import { callerGone, createServerCall, type ServerCall } from './call.ts'
import type { CallContext } from './call-context.ts'
import type { CallHooks, CallOutcome } from './call-hooks.ts'
import type { CallSlots } from './call-slots.ts'
import type { ConnectionTable } from './connections.ts'
import { decodedRequests, sendAll } from './message-stream.ts'
import type { BoundMethod } from './service.ts'
import { type CallStatus, isUnexpected, statusFromError, wireStatus } from './status.ts'
import type { WireCall } from './wire-call.ts'

/** What a {@link Dispatcher} is made of. */
export interface DispatcherOptions<C extends CallContext> {
  readonly hooks: CallHooks<C>
  readonly clock: Clock
  readonly log: Logger
  readonly connections: ConnectionTable
  readonly slots: CallSlots
}

/** One call from its first byte to its status. */
interface Run {
  readonly server: ServerCall
  /** The context that `before` returned; the bare one until then. */
  context: CallContext
  /** The caller has something in hand: it no longer counts as waiting. */
  readonly answered: () => void
}

/** The part of a method that reads requests. */
type Decoder = Pick<BoundMethod<never>, 'decode'>
type Work = (run: Run) => Promise<void>

/** Carries each call through hooks and handler and its outcome back: the one place where errors become statuses. */
export class Dispatcher<C extends CallContext> {
  readonly #options: DispatcherOptions<C>
  /** One for all: its stack says nothing, and costs more than the rest of a call's end. */
  readonly #callerGone = callerGone()

  constructor(options: DispatcherOptions<C>) {
    this.#options = options
  }

  /** What answers the calls of a method. */
  handler(method: BoundMethod<C>): (call: WireCall) => void {
    if (method.kind === 'bidi') {
      const work = this.#bidiWork(method)
      return (call) => void this.#run(method, call, (run) => work(run, call))
    }
    // The request is there before the call counts: who sends it slowly holds nobody's place.
    return (call) =>
      call.readOne(method.kind, (failure, bytes) => void this.#runOne(method, call, failure, bytes))
  }

  #runOne(
    method: Exclude<BoundMethod<C>, { kind: 'bidi' }>,
    call: WireCall,
    failure: unknown,
    bytes: Buffer | undefined,
  ): Promise<void> {
    if (bytes === undefined) {
      call.end(wireStatus(statusFromError(failure, () => '')))
      return Promise.resolve()
    }
    return this.#run(method, call, async (run) => {
      const request = decodeRequest(method, bytes)
      const context = await this.#admit(run, request)
      if (method.kind === 'unary') {
        call.finish(method.encode(await method.handle(context, request)))
        return
      }
      const { encode } = method
      await sendAll(call, method.handle(context, request), { encode, ...run })
    })
  }

  #bidiWork(
    method: Extract<BoundMethod<C>, { kind: 'bidi' }>,
  ): (run: Run, call: WireCall) => Promise<void> {
    return async (run, call) => {
      const context = await this.#admit(run, undefined)
      const requests = decodedRequests(call.readAll(), (bytes) => decodeStreamed(method, bytes))
      const { encode } = method
      await sendAll(call, method.handle(context, requests), { encode, ...run })
    }
  }

  /** Asks the hooks; from here on the call has its rich context. */
  async #admit(run: Run, request: unknown): Promise<C> {
    const context = await this.#options.hooks.before(run.server.context, request)
    run.context = context
    return context
  }

  async #run({ path, kind }: BoundMethod<C>, call: WireCall, work: Work): Promise<void> {
    const { connections, slots, clock, log, hooks } = this.#options
    const connection = connections.find(call.connectionKey)
    if (!connection || call.isOver) return call.end(wireStatus(connectionGone))
    const release = slots.take(connection.address)
    if (!release) return call.end(wireStatus(tooManyCalls))
    const { peer } = connection
    const metadata = (name: string): readonly string[] => call.metadata(name)
    const server = createServerCall({ peer, method: path, clock, log, metadata })
    const forget = kind === 'unary' ? undefined : connection.trackStream(server)
    call.onLeft(() => server.abort(this.#callerGone))
    const run: Run = { server, context: server.context, answered: release }
    const startedMs = performance.now()
    let outcome: CallOutcome
    try {
      await work(run)
      outcome = { code: GrpcStatus.OK, message: '', durationMs: performance.now() - startedMs }
    } catch (error) {
      const { context } = run
      const status = statusFromError(error, () => context.requestId)
      if (isUnexpected(error)) logUnexpected(context, error)
      call.end(wireStatus(status))
      const { code, message } = status
      outcome = { code, message, durationMs: performance.now() - startedMs, error }
    }
    // One answer is handed over whole, and kept here until the caller takes it; those of streams have been taken.
    if (kind === 'unary') call.onClosed(release)
    else release()
    forget?.()
    try {
      hooks.after(run.context, outcome)
    } catch (error) {
      // A sink or a log that fails must not end the daemon: nobody waits for this promise.
      logUnexpected(run.context, error)
    }
  }
}

const connectionGone: CallStatus = {
  code: GrpcStatus.Unavailable,
  message: 'connection closed',
  details: [],
}
const tooManyCalls: CallStatus = {
  code: GrpcStatus.ResourceExhausted,
  message: 'too many calls are waiting for their answer',
  details: [],
}

function logUnexpected(context: CallContext, error: unknown): void {
  const stack = error instanceof Error ? error.stack : undefined
  context.log.error('Internal error', { error: messageOf(error), method: context.method, stack })
}

function decodeRequest(method: Decoder, bytes: Buffer): unknown {
  return decodeAs(method, bytes, 'grpc: error unmarshalling request')
}

function decodeStreamed(method: Decoder, bytes: Buffer): unknown {
  return decodeAs(method, bytes, 'grpc: failed to unmarshal the received message')
}

/** Go's texts for bytes that are not the message. */
function decodeAs(method: Decoder, bytes: Buffer, prefix: string): unknown {
  try {
    return method.decode(bytes)
  } catch (cause) {
    const isText = cause instanceof TypeError
    const reason = isText
      ? 'string field contains invalid UTF-8'
      : 'cannot parse invalid wire-format data'
    throw new ApiError('internal', `${prefix}: ${reason}`, { cause })
  }
}
