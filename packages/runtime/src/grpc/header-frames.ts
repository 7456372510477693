/** Length, type, flags and stream of a frame (RFC 9113, 4.1). */
export const frameHeaderBytes = 9

/** Frames of a client that says nothing else are no larger (RFC 9113, 6.5.2); a larger one is nghttp2's to refuse. */
const maxFrameBytes = 16_384

const headersType = 1
const paddedFlag = 0x08
const priorityFlag = 0x20

/**
 * Looks at the header blocks in a client's bytes as they come, whatever pieces they come in; everything else is passed on as it is.
 * The bytes of a HEADERS frame are passed on when all of it is there.
 */
export class HeaderFrames {
  readonly #look: (block: Uint8Array) => void
  #held: Buffer = Buffer.alloc(0)
  /** Bytes that go by without a look. */
  #toPass: number

  /**
   * @param prefaceBytes what comes before the first frame
   * @param look may change the block in place
   */
  constructor(prefaceBytes: number, look: (block: Uint8Array) => void) {
    this.#toPass = prefaceBytes
    this.#look = look
  }

  /** Takes in what has come, and returns what can be passed on. */
  take(chunk: Buffer): Buffer {
    const bytes = this.#held.length === 0 ? chunk : Buffer.concat([this.#held, chunk])
    let at = 0
    for (;;) {
      const passed = Math.min(this.#toPass, bytes.length - at)
      at += passed
      this.#toPass -= passed
      if (this.#toPass > 0 || bytes.length - at < frameHeaderBytes) break
      const length = bytes.readUIntBE(at, 3)
      const end = at + frameHeaderBytes + length
      if (bytes[at + 3] !== headersType || length > maxFrameBytes) {
        this.#toPass = end - at
        continue
      }
      if (bytes.length < end) break
      this.#look(blockOf(bytes.subarray(at, end)))
      at = end
    }
    this.#held = bytes.subarray(at)
    return bytes.subarray(0, at)
  }
}

/** The header block of a HEADERS frame, without padding and priority (RFC 9113, 6.2). */
function blockOf(frame: Buffer): Uint8Array {
  const flags = frame[4] ?? 0
  const padding = flags & paddedFlag ? (frame[frameHeaderBytes] ?? 0) : 0
  const from = frameHeaderBytes + (flags & paddedFlag ? 1 : 0) + (flags & priorityFlag ? 5 : 0)
  return frame.subarray(from, Math.max(from, frame.length - padding))
}
