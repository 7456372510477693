import { ByteQueue } from './byte-queue.ts'
import { creditBytes, SendWindow } from './flow-control.ts'
import { type AnswerParts, answerFrames, dataHead } from './frame-writer.ts'
import { Http2Error } from './http2-error.ts'
import type { Output } from './output.ts'
import { type ErrorCode, errorCodes, initialWindowBytes, maxFrameBytes } from './protocol.ts'
import type { RequestHeaders } from './request-headers.ts'

/** What a stream has of its connection. */
export interface StreamOwner {
  readonly output: Output
  /** What the peer takes on all streams together. */
  readonly sendWindow: SendWindow
  writeHeaders(streamId: number, block: Buffer, endsStream: boolean): void
  writeReset(streamId: number, code: ErrorCode): void
  writeWindowUpdate(streamId: number, increment: number): void
  /** Says that our header blocks refer to no table; must come before the first one. */
  readonly isTableKnown: boolean
  /** Counts what is kept of requests that are not complete, or not read; false: more than a peer may have here. */
  hold(bytes: number): boolean
  /** Asks for {@link ServerStream.pump} when the connection has room again. */
  park(stream: ServerStream): void
  /** Nothing of the stream is left. */
  forget(stream: ServerStream): void
}

/** Who reads what a peer sends on a stream, as it comes. */
export interface StreamReader {
  data(bytes: Buffer): void
  /** The peer has closed its side. */
  end(): void
}

/** One request and its answer (RFC 9113, 5). */
export class ServerStream {
  readonly id: number
  readonly headers: RequestHeaders
  readonly #owner: StreamOwner
  readonly #sendWindow: SendWindow
  #receiveWindow = initialWindowBytes
  /** Bytes that have been read, and that the peer has not been told of. */
  #unreturned = 0
  #received = 0
  /** What is kept of the request, here or with its reader. */
  #held = 0
  #unread: ByteQueue | undefined
  #reader: StreamReader | undefined
  #wake: (() => void) | undefined
  #pending: Buffer | undefined
  #onSent: ((isSent: boolean) => void) | undefined
  #trailers: Buffer | undefined
  #onClosed: (() => void) | undefined
  #isRemoteClosed = false
  #isClosed = false

  constructor(options: {
    readonly id: number
    readonly headers: RequestHeaders
    readonly owner: StreamOwner
    readonly sendWindowBytes: number
  }) {
    this.id = options.id
    this.headers = options.headers
    this.#owner = options.owner
    this.#sendWindow = new SendWindow(options.sendWindowBytes)
  }

  /** Whether nothing can be sent or read any more. */
  get isClosed(): boolean {
    return this.#isClosed
  }

  /** Whether the peer has said all that it had to say. */
  get isRemoteClosed(): boolean {
    return this.#isRemoteClosed
  }

  /** Sets who is told, once, that the stream is closed, well or badly. */
  onClosed(listener: () => void): void {
    if (this.#isClosed) listener()
    else this.#onClosed = listener
  }

  /** Reads what comes, as fast as it comes. */
  read(reader: StreamReader): void {
    this.#reader = reader
    const bytes = this.#takeUnread()
    if (bytes) reader.data(bytes)
    if (this.#isRemoteClosed) reader.end()
  }

  /** Reads what comes as it is asked for: the peer gets room for more when a piece has been taken. */
  async *pieces(): AsyncGenerator<Buffer, void, undefined> {
    for (;;) {
      const bytes = this.#takeUnread()
      if (bytes) yield bytes
      else if (this.#isRemoteClosed || this.#isClosed) return
      else await new Promise<void>((resolve) => (this.#wake = resolve))
    }
  }

  /** Says that whoever reads the stream keeps more of it, or less, than before; false: more than there may be. */
  keep(bytes: number): boolean {
    return this.#isClosed || this.#hold(bytes)
  }

  sendHeaders(block: Buffer, endsStream: boolean): void {
    if (this.#isClosed) return
    this.#owner.writeHeaders(this.id, block, endsStream)
    if (endsStream) this.#closeLocal()
  }

  /** Sends data; the next may be sent when this has left. */
  sendData(data: Buffer, onSent: (isSent: boolean) => void): void {
    if (this.#isClosed) {
      onSent(false)
      return
    }
    this.#pending = data
    this.#onSent = onSent
    this.pump()
  }

  /** Ends the stream when all data has left. */
  sendTrailers(block: Buffer): void {
    if (this.#isClosed) return
    if (this.#pending) this.#trailers = block
    else this.sendHeaders(block, true)
  }

  /** Sends a whole answer, as one piece where there is room for it. */
  sendAnswer(parts: AnswerParts): void {
    if (this.#isClosed) return
    const { output, sendWindow, isTableKnown } = this.#owner
    const { length } = parts.data
    const isOnePiece =
      isTableKnown &&
      length <= maxFrameBytes &&
      length <= Math.min(this.#sendWindow.bytes, sendWindow.bytes) &&
      output.hasRoom
    if (isOnePiece) {
      sendWindow.take(length)
      output.write(answerFrames(this.id, parts))
      this.#closeLocal()
      return
    }
    this.sendHeaders(parts.headers, false)
    this.sendData(parts.data, () => {})
    this.sendTrailers(parts.trailers)
  }

  /** Ends the stream at once. */
  reset(code: ErrorCode): void {
    if (this.#isClosed) return
    this.#owner.writeReset(this.id, code)
    this.close()
  }

  /** Sends as much as there is room for. */
  pump(): void {
    const { output, sendWindow } = this.#owner
    while (this.#pending) {
      // Its own window wakes it up by itself; only what all share is waited for together.
      if (this.#sendWindow.bytes <= 0) return
      if (sendWindow.bytes <= 0 || !output.hasRoom) {
        this.#owner.park(this)
        return
      }
      const room = Math.min(this.#sendWindow.bytes, sendWindow.bytes, maxFrameBytes)
      const piece = this.#pending.subarray(0, room)
      this.#sendWindow.take(piece.length)
      sendWindow.take(piece.length)
      output.write(dataHead(this.id, piece.length))
      output.write(piece)
      if (piece.length < this.#pending.length) this.#pending = this.#pending.subarray(room)
      else this.#sent()
    }
  }

  /** The peer takes more, or less if it has changed its mind (RFC 9113, 6.9.2); false: more than there may be. */
  changeWindow(bytes: number): boolean {
    if (!this.#sendWindow.change(bytes)) return false
    this.pump()
    return true
  }

  /**
   * Takes in a DATA frame.
   *
   * @param flowBytes what it counts, padding included
   * @returns the error the stream ends with
   * @throws {Http2Error} `ERR_HTTP2_CONNECTION` when there was no room for it
   */
  receive(data: Buffer, flowBytes: number, endsStream: boolean): ErrorCode | undefined {
    this.#receiveWindow -= flowBytes
    if (this.#receiveWindow < 0)
      throw new Http2Error(errorCodes.flowControlError, 'more than the window of a stream')
    this.#received += data.length
    const { contentLength = this.#received } = this.headers
    if (this.#received > contentLength) return errorCodes.protocolError
    if (!this.#hold(data.length)) return errorCodes.enhanceYourCalm
    this.#consumed(flowBytes - data.length)
    if (data.length > 0) this.#take(data)
    return endsStream ? this.receiveEnd() : undefined
  }

  /** The peer's side is closed; returns the error the stream ends with. */
  receiveEnd(): ErrorCode | undefined {
    const { contentLength = this.#received } = this.headers
    if (this.#received !== contentLength) return errorCodes.protocolError
    this.#isRemoteClosed = true
    if (this.#reader) this.#hold(-this.#held)
    this.#reader?.end()
    this.#wake?.()
    return undefined
  }

  /** Nothing is sent or read any more. */
  close(): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#unread = undefined
    this.#hold(-this.#held)
    this.#reader = undefined
    this.#pending = undefined
    this.#owner.forget(this)
    const onSent = this.#onSent
    this.#onSent = undefined
    onSent?.(false)
    this.#wake?.()
    this.#onClosed?.()
  }

  #take(data: Buffer): void {
    if (this.#reader) {
      this.#reader.data(data)
      this.#consumed(data.length)
      return
    }
    this.#unread ??= new ByteQueue()
    this.#unread.push(data)
    this.#wake?.()
  }

  #takeUnread(): Buffer | undefined {
    if (!this.#unread || this.#unread.length === 0) return undefined
    const bytes = this.#unread.takeAll()
    // A reader keeps it until the request is complete.
    if (!this.#reader) this.#hold(-bytes.length)
    this.#consumed(bytes.length)
    return bytes
  }

  #hold(bytes: number): boolean {
    this.#held += bytes
    return this.#owner.hold(bytes)
  }

  #consumed(bytes: number): void {
    if (this.#isRemoteClosed || this.#isClosed) return
    this.#unreturned += bytes
    if (this.#unreturned < creditBytes) return
    this.#owner.writeWindowUpdate(this.id, this.#unreturned)
    this.#receiveWindow += this.#unreturned
    this.#unreturned = 0
  }

  #sent(): void {
    this.#pending = undefined
    const onSent = this.#onSent
    this.#onSent = undefined
    onSent?.(true)
    if (this.#pending || !this.#trailers) return
    this.sendHeaders(this.#trailers, true)
  }

  /** A peer that still sends is told that nobody reads it (RFC 9113, 8.1). */
  #closeLocal(): void {
    if (!this.#isRemoteClosed) this.#owner.writeReset(this.id, errorCodes.noError)
    this.close()
  }
}
