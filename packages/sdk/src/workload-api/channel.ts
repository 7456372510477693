import { setMaxListeners } from 'node:events'
import {
  type ChannelCredentials,
  Client,
  credentials,
  Metadata,
  type ServiceError,
  status,
} from '@grpc/grpc-js'
import { messageOf } from '../errors.ts'
import { WorkloadApiCallError } from './workload-api-error.ts'

const maxMessageBytes = 64 * 1024 * 1024

/** A method of the generated service definition. */
export interface WorkloadMethod<Request, Response> {
  readonly path: string
  readonly requestSerialize: (request: Request) => Buffer
  readonly responseDeserialize: (bytes: Buffer) => Response
}

/** How an endpoint of an agent is spoken to. */
export interface ChannelOptions {
  /** Secures each connection. @default nothing: the Workload API is on this machine */
  readonly credentials?: ChannelCredentials
  /**
   * Without it the agent refuses every call: a browser or proxy that is tricked into calling would not send it
   * [Workload Endpoint 6, Broker Endpoint 3]. @default workload.spiffe.io
   */
  readonly securityHeader?: string
}

/** A lazily dialled connection to an agent. Calls fail with {@link WorkloadApiCallError}. */
export class WorkloadChannel {
  readonly #client: Client
  /** Ends every call: closing a grpc-js client alone leaves open streams open. */
  readonly #closed = new AbortController()

  readonly #securityHeader: string

  constructor(target: string, options: ChannelOptions = {}) {
    this.#securityHeader = options.securityHeader ?? 'workload.spiffe.io'
    // As many calls as the workload likes may listen for the end of the channel.
    setMaxListeners(0, this.#closed.signal)
    this.#client = new Client(target, options.credentials ?? credentials.createInsecure(), {
      'grpc.max_receive_message_length': maxMessageBytes,
      'grpc.enable_channelz': 0,
      'grpc.initial_reconnect_backoff_ms': 100,
      'grpc.max_reconnect_backoff_ms': 1000,
    })
  }

  unary<Request, Response>(
    method: WorkloadMethod<Request, Response>,
    request: Request,
    given?: AbortSignal,
  ): Promise<Response> {
    const signal = this.#until(given)
    return new Promise((resolve, reject) => {
      if (signal.aborted) return reject(aborted(signal))
      const call = this.#client.makeUnaryRequest(
        method.path,
        method.requestSerialize,
        method.responseDeserialize,
        request,
        this.#metadata(),
        (error, response) => {
          signal.removeEventListener('abort', cancel)
          if (error) reject(signal.aborted ? aborted(signal) : failure(error))
          else resolve(response as Response)
        },
      )
      const cancel = (): void => call.cancel()
      signal.addEventListener('abort', cancel, { once: true })
    })
  }

  /** Opens a stream; it is cancelled when the loop over it ends, or the signal aborts. */
  async *stream<Request, Response>(
    method: WorkloadMethod<Request, Response>,
    request: Request,
    given?: AbortSignal,
  ): AsyncGenerator<Response> {
    const signal = this.#until(given)
    if (signal.aborted) throw aborted(signal)
    const call = this.#client.makeServerStreamRequest(
      method.path,
      method.requestSerialize,
      method.responseDeserialize,
      request,
      this.#metadata(),
    )
    const cancel = (): void => call.cancel()
    signal.addEventListener('abort', cancel, { once: true })
    try {
      for await (const message of call) yield message as Response
    } catch (error) {
      throw signal.aborted ? aborted(signal) : failure(error)
    } finally {
      signal.removeEventListener('abort', cancel)
      // Cancelling makes the stream fail once more; nobody is left to hear of it.
      call.on('error', () => {})
      call.cancel()
    }
  }

  close(): void {
    this.#closed.abort()
    this.#client.close()
  }

  #metadata(): Metadata {
    const metadata = new Metadata()
    metadata.set(this.#securityHeader, 'true')
    return metadata
  }

  #until(given: AbortSignal | undefined): AbortSignal {
    return given ? AbortSignal.any([given, this.#closed.signal]) : this.#closed.signal
  }
}

function failure(error: unknown): WorkloadApiCallError {
  const { code, details } = error as Partial<ServiceError>
  return new WorkloadApiCallError(code ?? status.UNKNOWN, details ?? messageOf(error), {
    cause: error,
  })
}

function aborted(signal: AbortSignal): WorkloadApiCallError {
  return new WorkloadApiCallError(status.CANCELLED, 'context canceled', { cause: signal.reason })
}
