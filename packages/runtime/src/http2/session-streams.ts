import type { Clock } from '../clock.ts'
import { AbuseBudget } from './abuse-budget.ts'
import { creditBytes, SendWindow } from './flow-control.ts'
import { protocolError } from './frame-rules.ts'
import { headerFrames, rstStreamFrame, windowUpdateFrame } from './frame-writer.ts'
import type { HeaderBlock } from './header-block.ts'
import { HeaderDecoder } from './hpack/header-decoder.ts'
import { emptyTable } from './hpack/header-encoder.ts'
import type { HeaderField } from './hpack/header-field.ts'
import { Http2Error } from './http2-error.ts'
import type { Output } from './output.ts'
import { type ErrorCode, errorCodes, initialWindowBytes } from './protocol.ts'
import { areTrailers, RequestHeaders } from './request-headers.ts'
import type { MemoryShare } from './request-memory.ts'
import { ServerStream, type StreamOwner } from './server-stream.ts'
import { defaultSessionLimits as bounds } from './session-limits.ts'
import { StreamTable } from './stream-table.ts'

/** Options of {@link SessionStreams}. */
export interface SessionStreamsOptions {
  readonly output: Output
  readonly clock: Clock
  readonly maxStreams: number
  readonly memory: MemoryShare
  readonly onRequest: (stream: ServerStream) => void
  /** Told when the last stream has gone. */
  readonly onEmpty: () => void
  /** Told once when the peer resets so many streams that it should go on elsewhere. */
  readonly onManyResets: () => void
}

/** The streams of one connection, and what they share: two windows, the tables of header blocks, the patience with resets. */
export class SessionStreams implements StreamOwner {
  readonly output: Output
  readonly sendWindow: SendWindow = new SendWindow(initialWindowBytes)
  readonly #options: SessionStreamsOptions
  readonly #decoder = new HeaderDecoder(bounds.headers)
  readonly #streams = new StreamTable()
  /** Those that have something to send and no room for it, the longest waiting first. */
  readonly #parked = new Set<ServerStream>()
  readonly #resets = new AbuseBudget(bounds.resets)
  #lastId = 0
  /** The IDs that the peer has passed over last: streams that were never opened. */
  #skippedFrom = 0
  #skippedTo = 0
  #initialSendWindow = initialWindowBytes
  #receiveWindow = initialWindowBytes
  #unreturned = 0
  #heldBytes = 0
  #isTableKnown = false
  #isWarned = false
  /** Streams that were ended here while the peer still sent: what it had under way is passed over. The oldest are forgotten. */
  #cut: Set<number> | undefined

  constructor(options: SessionStreamsOptions) {
    this.#options = options
    this.output = options.output
  }

  /** How many are open. */
  get size(): number {
    return this.#streams.size
  }

  /** The highest ID the peer has opened. */
  get lastId(): number {
    return this.#lastId
  }

  get isTableKnown(): boolean {
    return this.#isTableKnown
  }

  /** The peer has another table from now on: the next block says again that it is not used. */
  forgetTable(): void {
    this.#isTableKnown = false
  }

  /** Whether a block begins or ends a request here, or may not come. @throws {Http2Error} */
  checkHeaders(streamId: number): void {
    if (streamId % 2 === 0) throw protocolError('a stream with an even number')
    const isKnown = this.#streams.get(streamId) !== undefined || this.#cut?.has(streamId)
    if (streamId > this.#lastId || isKnown) return
    const wasSkipped = streamId >= this.#skippedFrom && streamId <= this.#skippedTo
    throw wasSkipped
      ? protocolError('a stream that was passed over')
      : new Http2Error(errorCodes.streamClosed, 'headers on a closed stream')
  }

  /** Takes in a whole header block: a request, or what ends one. @throws {Http2Error} */
  headers({ streamId, endsStream, bytes }: HeaderBlock): void {
    const fields = this.#decoder.decode(bytes)
    const stream = this.#streams.get(streamId)
    if (stream) this.#trailers(stream, fields, endsStream)
    else if (streamId > this.#lastId) this.#open(streamId, fields, endsStream)
  }

  /** Takes in a DATA frame. @throws {Http2Error} */
  data(streamId: number, data: Buffer, flow: { bytes: number; endsStream: boolean }): void {
    this.#receiveWindow -= flow.bytes
    if (this.#receiveWindow < 0)
      throw new Http2Error(errorCodes.flowControlError, 'more than the window of the connection')
    // At once: a stream that is not read must not stop the others.
    this.#returnCredit(flow.bytes)
    const stream = this.#find(streamId)
    if (stream?.isRemoteClosed) this.#refuse(stream, errorCodes.streamClosed)
    else if (stream) this.#refuse(stream, stream.receive(data, flow.bytes, flow.endsStream))
    else if (!this.#cut?.has(streamId)) this.#countedReset(streamId, errorCodes.streamClosed)
  }

  /** The peer has ended a stream. @throws {Http2Error} for too many of them */
  reset(streamId: number): void {
    this.#find(streamId)?.close()
    // Also of a stream that has just ended: that it was answered first does not make it cheaper.
    if (!this.#cut?.has(streamId)) this.#countReset()
  }

  /** The peer has room for more on a stream. @throws {Http2Error} */
  windowUpdate(streamId: number, increment: number): void {
    const stream = this.#find(streamId)
    if (!stream) return
    if (increment === 0) this.#refuse(stream, errorCodes.protocolError)
    else if (!stream.changeWindow(increment)) this.#refuse(stream, errorCodes.flowControlError)
  }

  /** The peer has room for more on all of them. @throws {Http2Error} */
  widen(increment: number): void {
    if (increment === 0) throw protocolError('a window that grows by nothing')
    if (!this.sendWindow.change(increment))
      throw new Http2Error(errorCodes.flowControlError, 'the window of the connection is too large')
    this.pumpParked()
  }

  /** Streams begin with another window, and those that exist get the difference (RFC 9113, 6.9.2). @throws {Http2Error} */
  changeInitialWindow(bytes: number): void {
    const change = bytes - this.#initialSendWindow
    this.#initialSendWindow = bytes
    for (const stream of this.#streams.streams())
      if (!stream.changeWindow(change))
        throw new Http2Error(errorCodes.flowControlError, 'the window of a stream is too large')
  }

  /** There is room: those that wait send on, each as much as there is room for. */
  pumpParked(): void {
    for (const stream of [...this.#parked]) {
      if (!this.output.hasRoom || this.sendWindow.bytes <= 0) return
      this.#parked.delete(stream)
      stream.pump()
    }
  }

  /** Closes all of them. */
  close(): void {
    for (const stream of this.#streams.streams()) stream.close()
  }

  writeHeaders(streamId: number, block: Buffer, endsStream: boolean): void {
    const whole = this.#isTableKnown ? block : Buffer.concat([emptyTable, block])
    this.#isTableKnown = true
    this.output.write(headerFrames(streamId, whole, endsStream))
  }

  writeReset(streamId: number, code: ErrorCode): void {
    this.#cut ??= new Set()
    this.#cut.add(streamId)
    const [oldest = 0] = this.#cut
    if (this.#cut.size > bounds.maxCutStreams) this.#cut.delete(oldest)
    this.output.write(rstStreamFrame(streamId, code))
  }

  writeWindowUpdate(streamId: number, increment: number): void {
    this.output.write(windowUpdateFrame(streamId, increment))
  }

  #returnCredit(bytes: number): void {
    this.#unreturned += bytes
    if (this.#unreturned < creditBytes) return
    this.writeWindowUpdate(0, this.#unreturned)
    this.#receiveWindow += this.#unreturned
    this.#unreturned = 0
  }

  hold(bytes: number): boolean {
    this.#heldBytes += bytes
    const isCovered = this.#options.memory.cover(this.#heldBytes)
    return isCovered && this.#heldBytes <= bounds.maxRequestBytes
  }

  park(stream: ServerStream): void {
    this.#parked.add(stream)
  }

  forget(stream: ServerStream): void {
    this.#streams.delete(stream.id)
    this.#parked.delete(stream)
    if (this.#streams.size === 0) this.#options.onEmpty()
  }

  #open(id: number, fields: readonly HeaderField[] | undefined, endsStream: boolean): void {
    if (id > this.#lastId + 2) {
      this.#skippedFrom = this.#lastId + 1
      this.#skippedTo = id - 1
    }
    this.#lastId = id
    const headers = fields && RequestHeaders.parse(fields)
    if (!headers) {
      this.#countedReset(id, fields ? errorCodes.protocolError : errorCodes.enhanceYourCalm)
      return
    }
    if (this.#streams.size >= this.#options.maxStreams) {
      this.#countedReset(id, errorCodes.refusedStream)
      return
    }
    const sendWindowBytes = this.#initialSendWindow
    const stream = new ServerStream({ id, headers, owner: this, sendWindowBytes })
    this.#streams.add(stream)
    this.#refuse(stream, endsStream ? stream.receiveEnd() : undefined)
    if (!stream.isClosed) this.#options.onRequest(stream)
  }

  /** RFC 9113, 8.1: a second block ends the request. */
  #trailers(
    stream: ServerStream,
    fields: readonly HeaderField[] | undefined,
    endsStream: boolean,
  ): void {
    const isGood = endsStream && fields !== undefined && areTrailers(fields)
    if (stream.isRemoteClosed) this.#refuse(stream, errorCodes.streamClosed)
    else this.#refuse(stream, isGood ? stream.receiveEnd() : errorCodes.protocolError)
  }

  /** @throws {Http2Error} for a stream that was never opened (RFC 9113, 5.1) */
  #find(streamId: number): ServerStream | undefined {
    if (streamId > this.#lastId || streamId % 2 === 0)
      throw protocolError('a frame on an idle stream')
    return this.#streams.get(streamId)
  }

  #refuse(stream: ServerStream, code: ErrorCode | undefined): void {
    if (code === undefined || stream.isClosed) return
    stream.reset(code)
    this.#countReset()
  }

  #countedReset(streamId: number, code: ErrorCode): void {
    this.writeReset(streamId, code)
    this.#countReset()
  }

  /** A reset costs whoever sends it nothing, and here what it ends; so do those that a peer brings about. @throws {Http2Error} */
  #countReset(): void {
    const left = this.#resets.take(this.#options.clock.nowMs())
    if (left < 0) throw new Http2Error(errorCodes.enhanceYourCalm, 'too many resets')
    if (left >= bounds.resetsInReserve || this.#isWarned) return
    this.#isWarned = true
    this.#options.onManyResets()
  }
}
