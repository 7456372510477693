import { GrpcStatus } from '@mini-spire/sdk/grpc-status'
import type { ServerCall } from './call.ts'
import type { WireCall } from './wire-call.ts'

/** How answers go out; see {@link sendAll}. */
export interface SendOptions {
  readonly encode: (answer: unknown) => Buffer
  /** Its abort ends the sending, whatever the answers wait for. */
  readonly server: ServerCall
  /** Called after each message has left. */
  readonly answered: () => void
}

/**
 * Sends every answer and ends the stream. The next answer is asked for when the last has left, so a peer that does not
 * read holds one message and no more.
 *
 * @throws what the answers threw, or the reason of the call's abort (the answers' iterator is then returned)
 */
export async function sendAll(
  call: Pick<WireCall, 'send' | 'end'>,
  answers: AsyncIterable<unknown>,
  options: SendOptions,
): Promise<void> {
  const { encode, server, answered } = options
  const iterator = answers[Symbol.asyncIterator]()
  try {
    for (;;) {
      const next = await orAbort(server, iterator.next())
      if (next.done) break
      await orAbort(server, call.send(encode(next.value)))
      answered()
    }
    call.end({ code: GrpcStatus.OK, details: '' })
  } catch (error) {
    // A generator that waits cannot be interrupted: it is returned when it wakes up, which its signal brings about.
    void Promise.resolve(iterator.return?.()).catch(() => {})
    throw error
  }
}

/** Waits for the work or the abort. The call holds one waiter at a time, so that long streams do not pile them up. */
function orAbort<T>(server: ServerCall, work: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    server.onAbort(reject)
    work.then(resolve, reject)
  })
}

/**
 * The requests of a stream, decoded as they are asked for; ends with the caller's half of the stream. Returning early
 * leaves the other half open for answers.
 */
export async function* decodedRequests(
  messages: AsyncIterable<Buffer>,
  decode: (bytes: Buffer) => unknown,
): AsyncGenerator<unknown, void, undefined> {
  for await (const bytes of messages) yield decode(bytes)
}
