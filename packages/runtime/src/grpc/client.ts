import {
  type ClientDuplexStream,
  type ClientReadableStream,
  Metadata,
  type ServiceError,
} from '@grpc/grpc-js'
import { GrpcStatus } from '@mini-spire/sdk/grpc-status'
import type { GrpcChannel } from './channel.ts'
import { inGoWords } from './go-words.ts'
import { GrpcError } from './grpc-error.ts'
import type { MethodDefinition, RequestOf, ResponseOf, ServiceDefinition } from './service.ts'
import { detailsFromMetadata } from './status.ts'
import { installStrictUtf8 } from './strict-utf8.ts'

export {
  type ChannelLimits,
  type GrpcChannel,
  openLoopbackChannel,
  openUnixChannel,
} from './channel.ts'
export { GrpcError } from './grpc-error.ts'
export { type ClientSvid, openSvidChannel, type SvidChannelOptions } from './svid-channel.ts'

/** How one call is made. */
export interface ClientCallOptions {
  /** Ends the call with Canceled when it aborts. */
  readonly signal?: AbortSignal
  /** After this long the call fails with DeadlineExceeded; the peer is told. @default none */
  readonly timeoutMs?: number
  readonly metadata?: Readonly<Record<string, string>>
}

/** A method as a client calls it: a promise, or an async iterable for a stream of responses. */
export type MethodOf<M> = M extends { requestStream: true }
  ? (
      requests: AsyncIterable<RequestOf<M>>,
      options?: ClientCallOptions,
    ) => AsyncIterable<ResponseOf<M>>
  : M extends { responseStream: true }
    ? (request: RequestOf<M>, options?: ClientCallOptions) => AsyncIterable<ResponseOf<M>>
    : (request: RequestOf<M>, options?: ClientCallOptions) => Promise<ResponseOf<M>>

/** The methods of a service, as a client calls them. */
export type ClientOf<D> = { readonly [M in keyof D]: MethodOf<D[M]> }

type AnyMethod = (input: never, options?: ClientCallOptions) => unknown

/**
 * Makes a client of a generated service definition.
 *
 * Calls fail with {@link GrpcError} and nothing else. A stream is opened when it is first iterated, cancelled when the
 * iteration is left early, and read no faster than it is iterated.
 *
 * @example
 * const health = createClient(HealthService, channel)
 * const { status } = await health.check({ service: '' }, { timeoutMs: 5_000 })
 */
export function createClient<D extends ServiceDefinition>(
  definition: D,
  channel: GrpcChannel,
): ClientOf<D> {
  installStrictUtf8()
  const methods: Record<string, AnyMethod> = {}
  for (const [name, method] of Object.entries(definition))
    methods[name] = bindMethod(method, channel)
  return methods as ClientOf<D>
}

function bindMethod(method: MethodDefinition, channel: GrpcChannel): AnyMethod {
  if (method.requestStream) {
    return (requests: AsyncIterable<unknown>, options) => bidi(method, channel, requests, options)
  }
  if (method.responseStream) {
    return (request: unknown, options) => serverStream(method, channel, request, options)
  }
  return (request: unknown, options) => unary(method, channel, request, options)
}

type Codec = [path: string, encode: (value: unknown) => Buffer, decode: (bytes: Buffer) => unknown]

function codecOf(method: MethodDefinition): Codec {
  return [
    method.path,
    (value) => method.requestSerialize(value as never),
    (bytes) => method.responseDeserialize(bytes),
  ]
}

function unary(
  method: MethodDefinition,
  channel: GrpcChannel,
  request: unknown,
  options: ClientCallOptions = {},
): Promise<unknown> {
  const { signal } = options
  if (signal?.aborted) return Promise.reject(canceled())
  return new Promise((resolve, reject) => {
    const cancel = (): void => call.cancel()
    const call = channel.client.makeUnaryRequest(
      ...codecOf(method),
      request,
      metadataOf(options),
      deadlineOf(options),
      (error, response) => {
        signal?.removeEventListener('abort', cancel)
        if (error) reject(grpcError(error))
        else resolve(response)
      },
    )
    signal?.addEventListener('abort', cancel, { once: true })
  })
}

async function* serverStream(
  method: MethodDefinition,
  channel: GrpcChannel,
  request: unknown,
  options: ClientCallOptions = {},
): AsyncGenerator<unknown, void, undefined> {
  if (options.signal?.aborted) throw canceled()
  const call = channel.client.makeServerStreamRequest(
    ...codecOf(method),
    request,
    metadataOf(options),
    deadlineOf(options),
  )
  yield* responses(call, options)
}

async function* bidi(
  method: MethodDefinition,
  channel: GrpcChannel,
  requests: AsyncIterable<unknown>,
  options: ClientCallOptions = {},
): AsyncGenerator<unknown, void, undefined> {
  if (options.signal?.aborted) throw canceled()
  const call = channel.client.makeBidiStreamRequest(
    ...codecOf(method),
    metadataOf(options),
    deadlineOf(options),
  )
  const failure: { error?: unknown } = {}
  const sending = sendRequests(call, requests).catch((error: unknown) => {
    failure.error = error
    call.cancel()
  })
  try {
    yield* responses(call, options)
  } catch (error) {
    // What broke the requests says more than the cancellation it caused.
    throw 'error' in failure ? failure.error : error
  }
  void sending
}

/** Sends requests as fast as the peer takes them; stops when the call has ended. */
async function sendRequests(
  call: ClientDuplexStream<unknown, unknown>,
  requests: AsyncIterable<unknown>,
): Promise<void> {
  let hasEnded = false
  const ended = new Promise<void>((resolve) => {
    call.once('status', () => {
      hasEnded = true
      resolve()
    })
  })
  for await (const request of requests) {
    if (hasEnded) return
    if (!call.write(request)) await Promise.race([drained(call), ended])
    if (hasEnded) return
  }
  call.end()
}

function drained(call: ClientDuplexStream<unknown, unknown>): Promise<void> {
  return new Promise((resolve) => call.once('drain', resolve))
}

async function* responses(
  call: ClientReadableStream<unknown>,
  { signal }: ClientCallOptions,
): AsyncGenerator<unknown, void, undefined> {
  const cancel = (): void => call.cancel()
  signal?.addEventListener('abort', cancel, { once: true })
  // A failure may come before or after the iteration listens.
  call.on('error', () => {})
  let isOver = false
  try {
    yield* call.iterator({ destroyOnReturn: false })
    isOver = true
  } catch (error) {
    isOver = true
    throw grpcError(error)
  } finally {
    signal?.removeEventListener('abort', cancel)
    if (!isOver) call.cancel()
  }
}

function metadataOf({ metadata: values = {} }: ClientCallOptions): Metadata {
  const metadata = new Metadata()
  for (const [name, value] of Object.entries(values)) metadata.set(name, value)
  return metadata
}

function deadlineOf({ timeoutMs }: ClientCallOptions): { deadline?: number } {
  return timeoutMs === undefined
    ? {}
    : { deadline: performance.timeOrigin + performance.now() + timeoutMs }
}

function canceled(): GrpcError {
  return new GrpcError({ statusCode: GrpcStatus.Canceled, statusMessage: 'context canceled' })
}

function grpcError(error: unknown): GrpcError {
  const { code, details, metadata } = error as Partial<ServiceError>
  if (typeof code !== 'number' || details === undefined) {
    const statusMessage = error instanceof Error ? error.message : String(error)
    return new GrpcError({ statusCode: GrpcStatus.Unknown, statusMessage, cause: error })
  }
  if (code === GrpcStatus.Canceled && details === 'Cancelled on client') return canceled()
  // Our own deadline, in Go's words: the library says where the call stood, which differs from run to run.
  const isOurDeadline = code === GrpcStatus.DeadlineExceeded && /^Deadline exceeded/.test(details)
  return new GrpcError({
    statusCode: code,
    statusMessage: isOurDeadline ? 'context deadline exceeded' : inGoWords(details),
    details: detailsFromMetadata(metadata),
  })
}
