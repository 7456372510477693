import type { IncomingHttpHeaders, OutgoingHttpHeaders, ServerHttp2Stream } from 'node:http2'
import { GrpcStatus } from '@mini-spire/sdk/grpc-status'
import type { Clock, Timer } from '../clock.ts'
import { ApiError } from './api-error.ts'
import { callerGone } from './call.ts'
import { callTimeoutMs, timeoutHeader } from './call-timeout.ts'
import { FrameReader, frameOf, messageIn } from './frame-reader.ts'
import type { WireStatus } from './status.ts'

const responseHeaders: OutgoingHttpHeaders = Object.freeze({
  ':status': 200,
  'content-type': 'application/grpc',
  'grpc-accept-encoding': 'identity,deflate,gzip',
})
const okTrailers: OutgoingHttpHeaders = Object.freeze({ 'grpc-status': 0 })
const withTrailers = Object.freeze({ waitForTrailers: true })

/** What a {@link WireCall} is made of. */
export interface WireCallOptions {
  readonly stream: ServerHttp2Stream
  readonly headers: IncomingHttpHeaders
  /** The connection it came on. */
  readonly connectionKey: string
  readonly maxReceiveBytes: number
  readonly clock: Clock
}

/** One gRPC call on an HTTP/2 stream, as a server has it: requests in, answers and one status out. */
export class WireCall {
  readonly connectionKey: string
  readonly #stream: ServerHttp2Stream
  readonly #headers: IncomingHttpHeaders
  readonly #maxReceiveBytes: number
  readonly #reader: FrameReader
  #deadline: Timer | undefined
  #trailers: OutgoingHttpHeaders = okTrailers
  #hasResponded = false
  #hasEnded = false
  #isLeft = false
  #onLeft: (() => void) | undefined
  #onClosed: (() => void) | undefined

  constructor(options: WireCallOptions) {
    const { stream, headers } = options
    this.connectionKey = options.connectionKey
    this.#stream = stream
    this.#headers = headers
    this.#maxReceiveBytes = options.maxReceiveBytes
    this.#reader = new FrameReader(options.maxReceiveBytes)
    stream.on('error', () => {})
    stream.once('close', () => {
      this.#leave()
      this.#onClosed?.()
    })
    const timeout = headers[timeoutHeader]
    if (timeout !== undefined) this.#startDeadline(String(timeout), options.clock)
  }

  /** Whether nobody waits for the answer: it has been given, the caller has gone, or its deadline has passed. */
  get isOver(): boolean {
    return this.#hasEnded || this.#isLeft || this.#stream.destroyed
  }

  /** Sets who is told, once, when the caller leaves before the call has ended. */
  onLeft(listener: () => void): void {
    this.#onLeft = listener
  }

  /** Sets who is told, once, when nothing of the call is left here: the caller has taken the answer, or has gone. */
  onClosed(listener: () => void): void {
    if (this.#stream.closed) listener()
    else this.#onClosed = listener
  }

  /** What the caller sent under a name, as it came; empty: nothing. */
  metadata(name: string): readonly string[] {
    const value = this.#headers[name.toLowerCase()]
    if (value === undefined) return []
    return Array.isArray(value) ? value : [value]
  }

  /**
   * The one request of a call, once the caller has closed its side. Calls back with a failure for none, for several, and for
   * one that is too long.
   */
  readOne(done: (failure: unknown, message: Buffer | undefined) => void): void {
    const frames: Buffer[] = []
    let hasFailed = false
    const fail = (error: unknown): void => {
      if (!hasFailed) done(error, undefined)
      hasFailed = true
    }
    this.#stream.on('data', (chunk: Buffer) => {
      if (hasFailed) return
      try {
        frames.push(...this.#reader.push(chunk))
        // Said at once: a caller could send empty messages without end, each dearer to keep than to send.
        if (frames.length > 1) fail(notOne(frames.length))
      } catch (error) {
        fail(error)
      }
    })
    this.#stream.once('end', () => {
      if (hasFailed) return
      const [frame] = frames
      if (frame === undefined) return fail(notOne(0))
      const message = messageIn(frame, this.#encoding, this.#maxReceiveBytes)
      if (message instanceof Promise) message.then((bytes) => done(undefined, bytes), fail)
      else done(undefined, message)
    })
  }

  /** The requests of a call, read as they are asked for; ends with the caller's side. Returning early leaves ours open. */
  async *readAll(): AsyncGenerator<Buffer, void, undefined> {
    try {
      for await (const chunk of this.#stream.iterator({ destroyOnReturn: false })) {
        for (const frame of this.#reader.push(chunk as Buffer))
          yield await messageIn(frame, this.#encoding, this.#maxReceiveBytes)
      }
    } catch (error) {
      if (this.isOver) throw callerGone()
      throw error
    }
  }

  /** Sends an answer; resolves when it has left. */
  send(message: Uint8Array): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.isOver) return reject(callerGone())
      this.#respond()
      this.#stream.write(frameOf(message), (error) => (error ? reject(callerGone()) : resolve()))
    })
  }

  /** Sends the one answer of a call, and that it went well. */
  finish(message: Uint8Array): void {
    if (!this.#end()) return
    this.#respond()
    this.#stream.end(frameOf(message))
  }

  /** Ends the call with a status; only the first one counts. */
  end(status: WireStatus): void {
    if (!this.#end()) return
    const trailers = trailersOf(status)
    if (!this.#hasResponded) {
      this.#stream.respond({ ...responseHeaders, ...trailers }, { endStream: true })
    } else {
      this.#trailers = trailers
      this.#stream.end()
    }
    // What the caller still sends is for nobody.
    this.#stream.resume()
  }

  get #encoding(): string | undefined {
    const encoding = this.#headers['grpc-encoding']
    return encoding === undefined ? undefined : String(encoding)
  }

  /** Whether the call ends now. */
  #end(): boolean {
    if (this.#hasEnded) return false
    this.#hasEnded = true
    this.#deadline?.cancel()
    return !(this.#stream.destroyed || this.#stream.closed)
  }

  #respond(): void {
    if (this.#hasResponded) return
    this.#hasResponded = true
    this.#stream.respond(responseHeaders, withTrailers)
    this.#stream.once('wantTrailers', () => this.#stream.sendTrailers(this.#trailers))
  }

  #leave(): void {
    this.#deadline?.cancel()
    if (this.#isLeft || this.#hasEnded) return
    this.#isLeft = true
    this.#onLeft?.()
  }

  #startDeadline(text: string, clock: Clock): void {
    const timeoutMs = callTimeoutMs(text)
    if (timeoutMs === undefined) {
      const details = `malformed grpc-timeout: "${text}"`
      this.end({ code: GrpcStatus.Internal, details })
      return
    }
    this.#deadline = clock.setTimer(timeoutMs, () => {
      const wasOpen = !this.#hasEnded
      this.end({ code: GrpcStatus.DeadlineExceeded, details: 'context deadline exceeded' })
      if (!wasOpen) return
      this.#isLeft = true
      this.#onLeft?.()
    })
  }
}

function notOne(count: number): ApiError {
  return new ApiError(
    count === 0 ? 'internal' : 'unimplemented',
    count === 0 ? 'the call has no request' : 'the call has more than one request',
  )
}

function trailersOf({ code, details, detailsBin }: WireStatus): OutgoingHttpHeaders {
  if (code === GrpcStatus.OK) return okTrailers
  const trailers = { 'grpc-status': code, 'grpc-message': percentEncoded(details) }
  if (!detailsBin) return trailers
  return { ...trailers, 'grpc-status-details-bin': detailsBin.toString('base64') }
}

/** A text as `grpc-message` carries it; halves of characters, which no encoding has, become U+FFFD. */
function percentEncoded(text: string): string {
  try {
    return encodeURI(text)
  } catch {
    return encodeURI(Buffer.from(text).toString())
  }
}
