import { setTimeout as delay } from 'node:timers/promises'
import { GrpcStatus } from '../grpc-status.ts'
import { WorkloadApiCallError, WorkloadApiError } from './workload-api-error.ts'

/** How long to wait before the attempt that follows `failures` failures in a row, in milliseconds. */
export type Backoff = (failures: number) => number

const longestPauseMs = 30_000

const finalStatuses: ReadonlySet<number> = new Set<number>([
  GrpcStatus.Canceled,
  GrpcStatus.InvalidArgument,
  GrpcStatus.Unimplemented,
])

/** One second more after each failure, thirty at most; a message starts it anew. */
export const linearBackoff: Backoff = (failures) => Math.min(failures * 1000, longestPauseMs)

/** What is not worth asking again after. */
export type FinalStatuses = ReadonlySet<number>

/** What a watch needs beside the stream it keeps open. */
export interface WatchOptions {
  /** Ends the watch. */
  readonly signal?: AbortSignal | undefined
  /** Told of every failure that the watch survives. */
  readonly onError?: ((error: unknown) => void) | undefined
  /** @default linearBackoff */
  readonly backoff?: Backoff | undefined
}

/**
 * Keeps a stream open: yields what it brings, opens it again when it ends or fails, and ends only when the signal aborts or
 * the answer says that asking again is pointless (`Canceled`, `InvalidArgument`, `Unimplemented`) [Workload Endpoint appendix A]. Every value is the whole state.
 *
 * A value that cannot be read is reported and skipped; what was yielded before stays valid.
 *
 * @throws {WorkloadApiCallError} when asking again is pointless
 */
export async function* watch<Message, Value>(
  open: (signal: AbortSignal) => AsyncIterable<Message>,
  read: (message: Message) => Value,
  options: WatchOptions,
  final: FinalStatuses = finalStatuses,
): AsyncGenerator<Value> {
  const { signal = new AbortController().signal, onError, backoff = linearBackoff } = options
  let failures = 0
  while (!signal.aborted) {
    try {
      for await (const message of open(signal)) {
        failures = 0
        const value = readOrReport(message, read, onError)
        if (value !== undefined) yield value.read
      }
    } catch (error) {
      if (signal.aborted) return
      if (isFinal(error, final)) throw error
      onError?.(error)
    }
    failures++
    await pause(backoff(failures), signal)
  }
}

function readOrReport<Message, Value>(
  message: Message,
  read: (message: Message) => Value,
  onError: ((error: unknown) => void) | undefined,
): { readonly read: Value } | undefined {
  try {
    return { read: read(message) }
  } catch (error) {
    onError?.(error)
    return undefined
  }
}

function isFinal(error: unknown, final: FinalStatuses): boolean {
  return error instanceof WorkloadApiCallError && final.has(error.status)
}

async function pause(ms: number, signal: AbortSignal): Promise<void> {
  try {
    await delay(ms, undefined, { signal })
  } catch {
    // Aborted: the loop sees it.
  }
}

/**
 * The first value of a stream.
 *
 * @throws {WorkloadApiError} `ERR_WORKLOAD_API_RESPONSE` when it ends without one
 */
export async function firstOf<Message, Value>(
  stream: AsyncIterable<Message>,
  read: (message: Message) => Value,
): Promise<Value> {
  for await (const message of stream) return read(message)
  throw new WorkloadApiError('ERR_WORKLOAD_API_RESPONSE', 'the stream ended without a message')
}
