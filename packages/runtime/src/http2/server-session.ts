import type { Duplex } from 'node:stream'
import type { Clock, Timer } from '../clock.ts'
import { AbuseBudget } from './abuse-budget.ts'
import { type Frame, FrameCutter } from './frame-cutter.ts'
import {
  checkLength,
  checkPlace,
  checkPriority,
  protocolError,
  withoutPadding,
} from './frame-rules.ts'
import {
  goAwayFrame,
  pingAckFrame,
  pingFrame,
  settingsAckFrame,
  settingsFrame,
} from './frame-writer.ts'
import { UnfinishedBlock } from './header-block.ts'
import { Http2Error } from './http2-error.ts'
import { Output } from './output.ts'
import { readSettings } from './peer-settings.ts'
import {
  type ErrorCode,
  errorCodes,
  frameFlags,
  frameTypes,
  maxStreamId,
  preface,
  settingIds,
} from './protocol.ts'
import type { MemoryShare } from './request-memory.ts'
import type { RequestPace } from './request-pace.ts'
import type { ServerStream } from './server-stream.ts'
import { defaultSessionLimits as bounds } from './session-limits.ts'
import { SessionStreams } from './session-streams.ts'

/** Options of {@link ServerSession}. */
export interface ServerSessionOptions {
  /** Nothing of it has been read. */
  readonly socket: Duplex
  readonly clock: Clock
  /** Streams a peer may have open at once. */
  readonly maxStreams: number
  /** What may be kept of requests, beside the bound of every connection. */
  readonly memory: MemoryShare
  /** How fast the peer may ask. @default as fast as it is answered */
  readonly pace?: RequestPace
  /** How long the streams of a connection that was told to go elsewhere may last. */
  readonly retireMs: number
  readonly onRequest: (stream: ServerStream) => void
  readonly onClosed: () => void
  /** Told why a connection is cut off: an {@link Http2Error} is the peer's fault, anything else ours. */
  readonly onFailed: (error: unknown) => void
}

/** The server's side of an HTTP/2 connection (RFC 9113) on a socket that was accepted elsewhere. */
export class ServerSession {
  readonly #options: ServerSessionOptions
  readonly #socket: Duplex
  readonly #output: Output
  readonly #streams: SessionStreams
  readonly #cutter = new FrameCutter()
  readonly #idleFrames = new AbuseBudget(bounds.idleFrames)
  readonly #onFrame = (frame: Frame): boolean => this.#take(frame)
  /** What has come of the preface; undefined: all of it. */
  #prefaceBytes: number | undefined = 0
  #hasSettings = false
  #block: UnfinishedBlock | undefined
  #untakenReplies = 0
  #stall: Timer | undefined
  #end: Timer | undefined
  /** Runs until the peer has heard that it is to go elsewhere. */
  #unheard: Timer | undefined
  /** Runs while nothing is read of a peer that asks too fast. */
  #pause: Timer | undefined
  #isRetiring = false
  #isOver = false

  constructor(options: ServerSessionOptions) {
    this.#options = options
    const { socket, clock, maxStreams, memory, pace, onRequest } = options
    this.#socket = socket
    this.#output = new Output(socket, () => this.#onRoom())
    this.#streams = new SessionStreams({
      output: this.#output,
      clock,
      maxStreams,
      memory,
      onRequest: (stream) => {
        pace?.take()
        onRequest(stream)
      },
      onEmpty: () => this.#onEmpty(),
      onManyResets: () => this.retire(),
    })
    this.#watchStall()
    socket.on('data', (chunk: Buffer) => this.#received(chunk))
    // A peer that sends no more takes no answers either: clients of gRPC close both sides.
    socket.once('end', () => this.destroy())
    socket.once('close', () => this.#closed())
  }

  /** Tells the peer to go elsewhere (RFC 9113, 6.8): what it has sent is still served, and then the connection ends. */
  retire(): void {
    if (this.#isRetiring || this.#isOver) return
    this.#isRetiring = true
    // Who has not begun, or asks too fast to be read, is not waited for.
    const isRead = this.#prefaceBytes === undefined && !this.#pause
    if (!isRead && this.#streams.size === 0) {
      this.#goAway(errorCodes.noError)
      return
    }
    // The largest ID: everything the peer has sent by the time it reads this is still served; its answer to the PING tells when.
    this.#output.write(goAwayFrame(maxStreamId, errorCodes.noError))
    this.#output.write(pingFrame())
    const { clock, retireMs } = this.#options
    if (isRead) this.#unheard = clock.setTimer(bounds.unheardMs, () => this.#onHeard())
    this.#end = clock.setTimer(retireMs, () => this.destroy())
  }

  /** Cuts the connection, whatever is under way on it. */
  destroy(): void {
    this.#socket.destroy()
  }

  /** What comes too early is put back, to be read when its time has come. */
  #received(chunk: Buffer): void {
    if (this.#isTooFast()) this.#socket.unshift(chunk)
    else this.#read(chunk)
  }

  /** Whether the peer has asked more than it may by now, and has to wait. */
  #isTooFast(): boolean {
    const { pace, clock } = this.#options
    const waitMs = this.#isOver || !pace ? 0 : pace.waitMs()
    if (waitMs <= 0) return false
    this.#socket.pause()
    this.#cancelStall()
    this.#pause ??= clock.setTimer(waitMs, () => {
      this.#pause = undefined
      if (!this.#isTooFast()) this.#onRoom()
    })
    if (this.#unheard) this.#onHeard()
    return true
  }

  #read(chunk: Buffer): void {
    if (this.#isOver) return
    if (this.#output.waitingBytes === 0) this.#untakenReplies = 0
    try {
      const rest = this.#prefaceBytes === undefined ? chunk : this.#takePreface(chunk)
      if (rest.length > 0) this.#cutter.push(rest, this.#onFrame)
    } catch (error) {
      this.#fail(error)
      return
    }
    this.#watchStall()
    if (this.#output.waitingBytes > bounds.maxWaitingBytes) this.#socket.pause()
    this.#isTooFast()
  }

  /** RFC 9113, 3.4. Ours is not sent before the peer's has come: who speaks something else hears nothing. */
  #takePreface(chunk: Buffer): Buffer {
    const from = this.#prefaceBytes ?? 0
    const length = Math.min(preface.length - from, chunk.length)
    if (!chunk.subarray(0, length).equals(preface.subarray(from, from + length)))
      throw new Http2Error(errorCodes.protocolError, 'not the preface of HTTP/2')
    this.#prefaceBytes = from + length
    if (this.#prefaceBytes === preface.length) {
      this.#prefaceBytes = undefined
      this.#output.write(
        settingsFrame([
          [settingIds.maxConcurrentStreams, this.#options.maxStreams],
          [settingIds.maxHeaderListSize, bounds.headers.maxBytes],
        ]),
      )
    }
    return chunk.subarray(length)
  }

  #take(frame: Frame): boolean {
    const isAmidBlock = this.#block !== undefined
    checkPlace(frame, { hasSettings: this.#hasSettings, isAmidBlock })
    this.#dispatch(frame)
    return !this.#isOver
  }

  #dispatch(frame: Frame): void {
    switch (frame.type) {
      case frameTypes.data:
        this.#data(frame)
        break
      case frameTypes.headers:
        this.#headers(frame)
        break
      case frameTypes.continuation:
        this.#continuation(frame)
        break
      case frameTypes.rstStream:
        checkLength(frame, 4)
        this.#streams.reset(frame.streamId)
        break
      case frameTypes.settings:
        this.#settings(frame)
        break
      case frameTypes.pushPromise:
        throw protocolError('PUSH_PROMISE of a client')
      case frameTypes.ping:
        this.#ping(frame)
        break
      case frameTypes.goAway:
        if (frame.end - frame.start < 8)
          throw new Http2Error(errorCodes.frameSizeError, 'short GOAWAY')
        break
      case frameTypes.windowUpdate:
        this.#windowUpdate(frame)
        break
      case frameTypes.priority:
        checkLength(frame, 5)
        checkPriority(frame, frame.start)
        this.#countIdle()
        break
      default:
        // RFC 9113, 5.5: what is not known is passed over.
        this.#countIdle()
    }
  }

  #ping(frame: Frame): void {
    checkLength(frame, 8)
    if (frame.flags & frameFlags.ack) {
      this.#onHeard()
      return
    }
    this.#options.pace?.take()
    this.#reply(pingAckFrame(frame.bytes.subarray(frame.start, frame.end)))
  }

  #windowUpdate(frame: Frame): void {
    checkLength(frame, 4)
    const increment = frame.bytes.readUInt32BE(frame.start) & 0x7fffffff
    if (frame.streamId === 0) this.#streams.widen(increment)
    else this.#streams.windowUpdate(frame.streamId, increment)
  }

  #data(frame: Frame): void {
    const { bytes, streamId, flags } = frame
    const endsStream = (flags & frameFlags.endStream) !== 0
    const { start, end } = withoutPadding(frame)
    if (start === end && !endsStream) this.#countIdle()
    const flow = { bytes: frame.end - frame.start, endsStream }
    this.#streams.data(streamId, bytes.subarray(start, end), flow)
  }

  #headers(frame: Frame): void {
    const { streamId, bytes, flags } = frame
    this.#streams.checkHeaders(streamId)
    let { start, end } = withoutPadding(frame)
    if (flags & frameFlags.priority) {
      if (end - start < 5) throw new Http2Error(errorCodes.frameSizeError, 'short HEADERS')
      checkPriority(frame, start)
      start += 5
    }
    const endsStream = (flags & frameFlags.endStream) !== 0
    const block = { streamId, endsStream, bytes: bytes.subarray(start, end) }
    if (flags & frameFlags.endHeaders) this.#streams.headers(block)
    else this.#block = new UnfinishedBlock(block, bounds.headers.maxBytes)
  }

  #continuation({ streamId, bytes, start, end, flags }: Frame): void {
    const block = this.#block
    if (streamId !== block?.streamId) throw protocolError('CONTINUATION of another stream')
    block.add(bytes.subarray(start, end))
    if (!(flags & frameFlags.endHeaders)) return
    this.#block = undefined
    this.#streams.headers(block.finish())
  }

  #settings(frame: Frame): void {
    if (frame.flags & frameFlags.ack) {
      checkLength(frame, 0)
      return
    }
    const { initialWindowSize, changesTableSize } = readSettings(
      frame.bytes,
      frame.start,
      frame.end,
    )
    this.#hasSettings = true
    this.#countIdle()
    this.#reply(settingsAckFrame())
    if (changesTableSize) this.#streams.forgetTable()
    if (initialWindowSize !== undefined) this.#streams.changeInitialWindow(initialWindowSize)
  }

  #reply(frame: Buffer): void {
    this.#untakenReplies++
    if (this.#untakenReplies > bounds.maxUntakenReplies)
      throw new Http2Error(errorCodes.enhanceYourCalm, 'replies that nobody takes')
    this.#output.write(frame)
  }

  #countIdle(): void {
    if (this.#idleFrames.take(this.#options.clock.nowMs()) < 0)
      throw new Http2Error(errorCodes.enhanceYourCalm, 'too many frames that say nothing')
  }

  /** What has begun has to end in time; what has not begun may take as long as it likes. */
  #watchStall(): void {
    const isAmid = this.#prefaceBytes !== undefined || this.#block || this.#cutter.isAmidFrame
    if (!isAmid) {
      this.#cancelStall()
      return
    }
    this.#stall ??= this.#options.clock.setTimer(bounds.stallMs, () =>
      this.#fail(new Http2Error(errorCodes.enhanceYourCalm, 'a peer that does not go on')),
    )
  }

  #cancelStall(): void {
    this.#stall?.cancel()
    this.#stall = undefined
  }

  #onRoom(): void {
    if (this.#output.hasRoom) this.#streams.pumpParked()
    if (this.#pause || !this.#socket.isPaused()) return
    if (this.#output.waitingBytes <= bounds.maxWaitingBytes) this.#socket.resume()
  }

  #onHeard(): void {
    this.#unheard?.cancel()
    this.#unheard = undefined
    if (this.#streams.size === 0) this.#onEmpty()
  }

  #onEmpty(): void {
    if (this.#isRetiring && !this.#unheard && !this.#isOver) this.#goAway(errorCodes.noError)
  }

  #fail(error: unknown): void {
    if (this.#isOver) return
    this.#options.onFailed(error)
    const isOurs = !(error instanceof Http2Error)
    // Nobody who does not speak HTTP/2 is answered in it.
    if (this.#prefaceBytes !== undefined) this.destroy()
    else this.#goAway(isOurs ? errorCodes.internalError : error.reason)
  }

  /** The last word: nothing is read after it, and the peer has a moment to take it. */
  #goAway(code: ErrorCode): void {
    this.#isOver = true
    this.#output.write(goAwayFrame(this.#streams.lastId, code))
    this.#output.end()
    this.#streams.close()
    this.#cancelTimers()
    this.#socket.resume()
    this.#end = this.#options.clock.setTimer(bounds.lingerMs, () => this.destroy())
  }

  #cancelTimers(): void {
    for (const timer of [this.#stall, this.#unheard, this.#end, this.#pause]) timer?.cancel()
  }

  #closed(): void {
    this.#isOver = true
    this.#cancelTimers()
    this.#streams.close()
    this.#options.onClosed()
  }
}
