import { ApiError } from './api-error.ts'
import type { CallContext } from './call-context.ts'

/**
 * One method of a generated service definition, as `outputServices=grpc-js` writes it.
 *
 * The codecs are written as methods on purpose: a definition of any message type is then assignable.
 */
export interface MethodDefinition {
  /** `/spire.api.server.entry.v1.Entry/ListEntries` */
  readonly path: string
  readonly requestStream: boolean
  readonly responseStream: boolean
  requestSerialize(value: never): Buffer
  requestDeserialize(value: Buffer): unknown
  responseSerialize(value: never): Buffer
  responseDeserialize(value: Buffer): unknown
}

/** A generated service definition: its methods by name. */
export type ServiceDefinition = { readonly [method: string]: MethodDefinition }

/** The request message of a method. */
export type RequestOf<M> = M extends { requestDeserialize: (bytes: Buffer) => infer Req }
  ? Req
  : never

/** The response message of a method. */
export type ResponseOf<M> = M extends { responseDeserialize: (bytes: Buffer) => infer Res }
  ? Res
  : never

/** A response message, or its encoding, which is sent as it is: many callers may share one encoding. */
export type Answer<Res> = Res | Uint8Array

/** A handler of one request and one response. */
export type UnaryHandler<C, Req, Res> = (
  call: C,
  request: Req,
) => Answer<Res> | Promise<Answer<Res>>

/** A handler of one request and a stream of responses; the call ends when the stream does. */
export type ServerStreamHandler<C, Req, Res> = (call: C, request: Req) => AsyncIterable<Answer<Res>>

/** A handler of a stream each way; the call ends when the responses do. */
export type BidiHandler<C, Req, Res> = (
  call: C,
  requests: AsyncIterable<Req>,
) => AsyncIterable<Answer<Res>>

/** The handler that a method of a definition needs. */
export type HandlerOf<M, C> = M extends { requestStream: true; responseStream: true }
  ? BidiHandler<C, RequestOf<M>, ResponseOf<M>>
  : M extends { requestStream: true }
    ? never
    : M extends { responseStream: true }
      ? ServerStreamHandler<C, RequestOf<M>, ResponseOf<M>>
      : UnaryHandler<C, RequestOf<M>, ResponseOf<M>>

/** A handler for every method of a service definition. */
export type HandlersOf<D, C> = { readonly [M in keyof D]: HandlerOf<D[M], C> }

interface BoundBase {
  readonly path: string
  /** @throws whatever the generated decoder throws on bytes that are not this message */
  decode(bytes: Buffer): unknown
  encode(answer: unknown): Buffer
}

/** One method with its handler and codecs, message types erased. */
export type BoundMethod<C> = BoundBase &
  (
    | { readonly kind: 'unary'; readonly handle: UnaryHandler<C, unknown, unknown> }
    | { readonly kind: 'server-stream'; readonly handle: ServerStreamHandler<C, unknown, unknown> }
    | { readonly kind: 'bidi'; readonly handle: BidiHandler<C, unknown, unknown> }
  )

/** A service that a host can serve; see {@link bindService}. */
export interface ServiceBinding<C> {
  readonly methods: readonly BoundMethod<C>[]
}

/**
 * Ties handlers to a generated service definition.
 *
 * Handlers get the call as their hooks enriched it, a decoded request, and answer with a message or with its encoding
 * (`Uint8Array`, sent untouched). Streams are async iterables: a slow reader slows the handler down, and when the
 * caller goes away the responses' iterator is returned and `call.signal` aborts.
 *
 * @example
 * bindService(HealthService, { check: () => ({ status: 1 }), … })
 */
export function bindService<C extends CallContext, D extends ServiceDefinition>(
  definition: D,
  handlers: HandlersOf<D, C>,
): ServiceBinding<C> {
  const methods = Object.entries(definition).map(([name, method]) => {
    const handle = handlers[name as keyof D] as unknown
    if (typeof handle !== 'function') throw new TypeError(`no handler for ${method.path}`)
    return boundMethod<C>(method, handle)
  })
  return { methods }
}

/** A handler that answers as Go's generated servers do for a method nobody wrote: `method Watch not implemented`. */
export function notImplemented(method: string): () => never {
  return () => {
    throw new ApiError('unimplemented', `method ${method} not implemented`)
  }
}

function boundMethod<C>(method: MethodDefinition, handle: unknown): BoundMethod<C> {
  const { path } = method
  const decode = (bytes: Buffer): unknown => method.requestDeserialize(bytes)
  const encode = (answer: unknown): Buffer =>
    answer instanceof Uint8Array
      ? Buffer.from(answer.buffer, answer.byteOffset, answer.byteLength)
      : method.responseSerialize(answer as never)
  if (method.requestStream) {
    if (!method.responseStream) throw new TypeError(`${path}: client streams are not served`)
    return {
      path,
      decode,
      encode,
      kind: 'bidi',
      handle: handle as BidiHandler<C, unknown, unknown>,
    }
  }
  if (method.responseStream) {
    const stream = handle as ServerStreamHandler<C, unknown, unknown>
    return { path, decode, encode, kind: 'server-stream', handle: stream }
  }
  return {
    path,
    decode,
    encode,
    kind: 'unary',
    handle: handle as UnaryHandler<C, unknown, unknown>,
  }
}
