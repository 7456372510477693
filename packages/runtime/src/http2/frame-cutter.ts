import { Http2Error } from './http2-error.ts'
import { errorCodes, frameHeaderBytes, maxFrameBytes } from './protocol.ts'

/** A frame as it lies in what was read: its payload is `bytes` from `start` to `end`. */
export interface Frame {
  readonly type: number
  readonly flags: number
  readonly streamId: number
  readonly bytes: Buffer
  readonly start: number
  readonly end: number
}

/** Cuts what a peer sends into frames, in whatever pieces it comes. It keeps one unfinished frame and no more. */
export class FrameCutter {
  /** An unfinished frame, in a buffer of its own: so it never holds on to all that was read with it. */
  #held: Buffer | undefined
  #heldBytes = 0

  /** Whether a frame has begun and not ended. */
  get isAmidFrame(): boolean {
    return this.#held !== undefined
  }

  /**
   * Takes in what has come and tells of each frame that is complete.
   *
   * @param onFrame returns false to hear of no more
   * @throws {Http2Error} `ERR_HTTP2_CONNECTION` for a frame that is too large (RFC 9113, 4.2)
   */
  push(chunk: Buffer, onFrame: (frame: Frame) => boolean): void {
    let at = 0
    if (this.#held) {
      at = this.#complete(chunk)
      const whole = this.#held
      if (this.#heldBytes < whole.length) return
      this.#held = undefined
      if (!onFrame(frameAt(whole, 0))) return
    }
    while (at + frameHeaderBytes <= chunk.length) {
      const end = at + wholeLength(chunk, at)
      if (end > chunk.length) break
      const isOn = onFrame(frameAt(chunk, at))
      at = end
      if (!isOn) return
    }
    if (at < chunk.length) this.#hold(chunk, at)
  }

  /** Adds to the unfinished frame; returns how much of the chunk that took. */
  #complete(chunk: Buffer): number {
    let taken = this.#fill(chunk, 0)
    if (this.#heldBytes < frameHeaderBytes || this.#held?.length !== frameHeaderBytes) return taken
    const length = wholeLength(this.#held, 0)
    if (length === frameHeaderBytes) return taken
    const larger = Buffer.allocUnsafeSlow(length)
    this.#held.copy(larger)
    this.#held = larger
    taken += this.#fill(chunk, taken)
    return taken
  }

  #fill(chunk: Buffer, from: number): number {
    const copied = this.#held ? chunk.copy(this.#held, this.#heldBytes, from) : 0
    this.#heldBytes += copied
    return copied
  }

  #hold(chunk: Buffer, at: number): void {
    const isHeadThere = chunk.length - at >= frameHeaderBytes
    const length = isHeadThere ? wholeLength(chunk, at) : frameHeaderBytes
    this.#held = Buffer.allocUnsafeSlow(length)
    this.#heldBytes = chunk.copy(this.#held, 0, at)
  }
}

function wholeLength(bytes: Buffer, at: number): number {
  const length = bytes.readUIntBE(at, 3)
  if (length > maxFrameBytes)
    throw new Http2Error(errorCodes.frameSizeError, `a frame of ${length} bytes`)
  return frameHeaderBytes + length
}

function frameAt(bytes: Buffer, at: number): Frame {
  const start = at + frameHeaderBytes
  return {
    type: bytes[at + 3] ?? 0,
    flags: bytes[at + 4] ?? 0,
    streamId: bytes.readUInt32BE(at + 5) & 0x7fffffff,
    bytes,
    start,
    end: start + bytes.readUIntBE(at, 3),
  }
}
