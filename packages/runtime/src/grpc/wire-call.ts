import { GrpcStatus } from '@mini-spire/sdk/grpc-status'
import type { Clock, Timer } from '../clock.ts'
import { encodeHeaders, type HeaderLine } from '../http2/hpack/header-encoder.ts'
import type { ServerStream } from '../http2/server-stream.ts'
import { ApiError } from './api-error.ts'
import { callerGone } from './call.ts'
import { callTimeoutMs, timeoutHeader } from './call-timeout.ts'
import { FrameReader, frameOf, messageIn } from './frame-reader.ts'
import type { WireStatus } from './status.ts'

const responseLines: readonly HeaderLine[] = [
  [':status', '200'],
  ['content-type', 'application/grpc'],
  ['grpc-accept-encoding', 'identity,deflate,gzip'],
]
const responseHeaders = encodeHeaders(responseLines)
const okTrailers = encodeHeaders([['grpc-status', '0']])

const deadlineExceeded: WireStatus = {
  code: GrpcStatus.DeadlineExceeded,
  details: 'context deadline exceeded',
}

/** What a {@link WireCall} is made of. */
export interface WireCallOptions {
  readonly stream: ServerStream
  /** The connection it came on. */
  readonly connectionKey: string
  readonly maxReceiveBytes: number
  readonly clock: Clock
}

/** One gRPC call on an HTTP/2 stream, as a server has it: requests in, answers and one status out. */
export class WireCall {
  readonly connectionKey: string
  readonly #stream: ServerStream
  readonly #maxReceiveBytes: number
  readonly #reader: FrameReader
  #deadline: Timer | undefined
  #hasResponded = false
  #hasEnded = false
  #isLeft = false
  #onLeft: (() => void) | undefined
  #onClosed: (() => void) | undefined

  constructor({ stream, connectionKey, maxReceiveBytes, clock }: WireCallOptions) {
    this.connectionKey = connectionKey
    this.#stream = stream
    this.#maxReceiveBytes = maxReceiveBytes
    this.#reader = new FrameReader(maxReceiveBytes)
    stream.onClosed(() => {
      this.#leave()
      this.#onClosed?.()
    })
    const timeout = stream.headers.first(timeoutHeader)
    if (timeout !== undefined) this.#startDeadline(timeout, clock)
  }

  /** Whether nobody waits for the answer: it has been given, the caller has gone, or its deadline has passed. */
  get isOver(): boolean {
    return this.#hasEnded || this.#isLeft || this.#stream.isClosed
  }

  /** Sets who is told, once, when the caller leaves before the call has ended. */
  onLeft(listener: () => void): void {
    this.#onLeft = listener
  }

  /** Sets who is told, once, when nothing of the call is left here: the caller has taken the answer, or has gone. */
  onClosed(listener: () => void): void {
    if (this.#stream.isClosed) listener()
    else this.#onClosed = listener
  }

  /** What the caller sent under a name, as it came; empty: nothing. */
  metadata(name: string): readonly string[] {
    return this.#stream.headers.values(name.toLowerCase())
  }

  /**
   * The one request of a call, as Go's gRPC takes it. A unary call's is the first, and what comes after it is not looked at: who never closes its
   * side is answered all the same. That of a call with a stream of answers is taken once the caller has closed its side; several are refused, and at once.
   * Calls back with a failure for none, for half of one, and for one that is too long.
   */
  readOne(
    kind: 'unary' | 'server-stream',
    done: (failure: unknown, message: Buffer | undefined) => void,
  ): void {
    let frame: Buffer | undefined
    let isDone = false
    const fail = (error: unknown): void => {
      if (!isDone) done(error, undefined)
      isDone = true
    }
    const take = (bytes: Buffer): void => {
      isDone = true
      const message = messageIn(bytes, this.#encoding, this.#maxReceiveBytes)
      if (message instanceof Promise)
        message.then(
          (unpacked) => done(undefined, unpacked),
          (error: unknown) => done(error, undefined),
        )
      else done(undefined, message)
    }
    const data = (bytes: Buffer): void => {
      if (isDone) return
      try {
        const [first, second] = this.#reader.push(bytes)
        // Said at once: a caller could send empty messages without end, each dearer to keep than to send.
        if (kind === 'server-stream' && (second ?? (frame && first))) fail(severalRequests())
        frame ??= first
      } catch (error) {
        fail(error)
      }
      if (kind === 'unary' && frame && !isDone) take(frame)
    }
    const end = (): void => {
      if (isDone) return
      if (frame && this.#reader.heldBytes === 0) take(frame)
      else fail(this.#reader.heldBytes > 0 ? cutShort(kind) : noRequest(kind))
    }
    this.#stream.read({ data, end })
  }

  /** The requests of a call, read as they are asked for; ends with the caller's side. Returning early leaves ours open. */
  async *readAll(): AsyncGenerator<Buffer, void, undefined> {
    for await (const bytes of this.#stream.pieces()) {
      const heldBefore = this.#reader.heldBytes
      const frames = this.#reader.push(bytes)
      if (!this.#stream.keep(this.#reader.heldBytes - heldBefore)) throw tooMuchKept()
      for (const frame of frames)
        yield await messageIn(frame, this.#encoding, this.#maxReceiveBytes)
    }
    if (this.isOver) throw callerGone()
  }

  /** Sends an answer; resolves when it has left. */
  send(message: Uint8Array): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.isOver) return reject(callerGone())
      if (!this.#hasResponded) this.#stream.sendHeaders(responseHeaders, false)
      this.#hasResponded = true
      this.#stream.sendData(frameOf(message), (isSent) =>
        isSent ? resolve() : reject(callerGone()),
      )
    })
  }

  /** Sends the one answer of a call, and that it went well. */
  finish(message: Uint8Array): void {
    if (!this.#end()) return
    const data = frameOf(message)
    this.#stream.sendAnswer({ headers: responseHeaders, data, trailers: okTrailers })
  }

  /** Ends the call with a status; only the first one counts. */
  end(status: WireStatus): void {
    if (!this.#end()) return
    const lines = trailersOf(status)
    if (this.#hasResponded) this.#stream.sendTrailers(encodeHeaders(lines))
    else this.#stream.sendHeaders(encodeHeaders([...responseLines, ...lines]), true)
  }

  get #encoding(): string | undefined {
    return this.#stream.headers.first('grpc-encoding')
  }

  /** Whether the call ends now. */
  #end(): boolean {
    if (this.#hasEnded) return false
    this.#hasEnded = true
    this.#deadline?.cancel()
    return !this.#stream.isClosed
  }

  #leave(): void {
    this.#deadline?.cancel()
    if (this.#isLeft || this.#hasEnded) return
    this.#isLeft = true
    this.#onLeft?.()
  }

  #startDeadline(text: string, clock: Clock): void {
    const timeoutMs = callTimeoutMs(text) ?? 0
    if (timeoutMs <= 0) {
      this.end(deadlineExceeded)
      return
    }
    this.#deadline = clock.setTimer(timeoutMs, () => {
      const wasOpen = !this.#hasEnded
      this.end(deadlineExceeded)
      if (!wasOpen) return
      this.#isLeft = true
      this.#onLeft?.()
    })
  }
}

function severalRequests(): ApiError {
  const text = 'received multiple request messages for non-client-streaming RPC'
  return new ApiError('internal', `cardinality violation: ${text}`)
}

function noRequest(kind: 'unary' | 'server-stream'): ApiError {
  if (kind === 'unary') return new ApiError('unknown', 'EOF')
  const text = 'received no request message from non-client-streaming RPC'
  return new ApiError('internal', `cardinality violation: ${text}`)
}

function cutShort(kind: 'unary' | 'server-stream'): ApiError {
  return new ApiError(kind === 'unary' ? 'unknown' : 'internal', 'unexpected EOF')
}

function tooMuchKept(): ApiError {
  return new ApiError('resource-exhausted', 'too many bytes of unfinished requests are kept')
}

/** The lines that end a call, or refuse it. */
export function trailersOf({ code, details, detailsBin }: WireStatus): readonly HeaderLine[] {
  const status: HeaderLine = ['grpc-status', String(code)]
  if (code === GrpcStatus.OK) return [status]
  const lines: HeaderLine[] = [status, ['grpc-message', percentEncoded(details)]]
  if (detailsBin) lines.push(['grpc-status-details-bin', detailsBin.toString('base64')])
  return lines
}

const plain = /^[!-$&-~](?:[ -$&-~]*[!-$&-~])?$/

/**
 * A text as `grpc-message` carries it: what is neither printable nor ASCII, and the percent sign, byte by byte; and a space where
 * readers of HTTP would drop it. Halves of characters become U+FFFD.
 */
function percentEncoded(text: string): string {
  if (plain.test(text)) return text
  const byte = (value: string): string =>
    `%${value.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`
  return Buffer.from(text)
    .toString('latin1')
    .replace(/^ | $|[^ -$&-~]/g, byte)
}
