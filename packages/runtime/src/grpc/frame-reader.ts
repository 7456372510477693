import { promisify } from 'node:util'
import { gunzip, inflate } from 'node:zlib'
import { isSpiffeError, messageOf } from '@mini-spire/sdk/errors'
import { ByteQueue } from '../http2/byte-queue.ts'
import { ApiError } from './api-error.ts'

/** A flag and the length of the message that follows. */
const headerBytes = 5

const unzip = promisify(gunzip)
const expand = promisify(inflate)

/** Cuts what arrives on a stream into gRPC's length-prefixed messages. */
export class FrameReader {
  readonly #maxBytes: number
  /** What has come of a frame that is not complete. */
  readonly #held = new ByteQueue()

  /** @param maxBytes the longest message taken; its header alone refuses a longer one */
  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes
  }

  /** What is kept of a message that is not complete. */
  get heldBytes(): number {
    return this.#held.length
  }

  /**
   * Takes in what has arrived; returns the frames that are complete now, headers included.
   *
   * @throws {ApiError} `resource-exhausted` for a message that is too long
   */
  push(chunk: Buffer): readonly Buffer[] {
    let bytes = chunk
    if (this.#held.length > 0) {
      this.#held.push(chunk)
      if (this.#held.length < headerBytes) return []
      if (this.#held.length < this.#lengthAt(this.#held.peek(), 0)) return []
      bytes = this.#held.takeAll()
    }
    const frames: Buffer[] = []
    let at = 0
    while (bytes.length - at >= headerBytes) {
      const end = at + this.#lengthAt(bytes, at)
      if (end > bytes.length) break
      frames.push(bytes.subarray(at, end))
      at = end
    }
    if (at < bytes.length) this.#held.push(bytes.subarray(at))
    return frames
  }

  /** How long the frame is that begins there. */
  #lengthAt(bytes: Buffer, at: number): number {
    const length = bytes.readUInt32BE(at + 1)
    if (length <= this.#maxBytes) return headerBytes + length
    throw new ApiError(
      'resource-exhausted',
      `grpc: received message larger than max (${length} vs. ${this.#maxBytes})`,
    )
  }
}

/**
 * The message in a frame, decompressed if it has to be.
 *
 * @param encoding what the request's `grpc-encoding` says
 * @throws {ApiError} `internal` for a flag that says what the call does not, `unimplemented` for an encoding that is not known,
 *   `resource-exhausted` for one that hides too much
 */
export function messageIn(
  frame: Buffer,
  encoding: string | undefined,
  maxBytes: number,
): Buffer | Promise<Buffer> {
  return frame[0] === 0 ? frame.subarray(headerBytes) : decompress(frame, encoding, maxBytes)
}

async function decompress(
  frame: Buffer,
  encoding: string | undefined,
  maxBytes: number,
): Promise<Buffer> {
  const [flag] = frame
  if (flag !== 1) throw internal(`grpc: received unexpected payload format ${flag}`)
  if (encoding === undefined || encoding === 'identity')
    throw internal('grpc: compressed flag set with identity or empty encoding')
  const message = frame.subarray(headerBytes)
  const limit = { maxOutputLength: maxBytes }
  try {
    if (encoding === 'gzip') return await unzip(message, limit)
    if (encoding === 'deflate') return await expand(message, limit)
    throw new ApiError(
      'unimplemented',
      `grpc: Decompressor is not installed for grpc-encoding "${encoding}"`,
    )
  } catch (error) {
    if (isSpiffeError(error)) throw error
    const isTooLong = (error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE'
    if (isTooLong) {
      const text = `grpc: received message after decompression larger than max ${maxBytes}`
      throw new ApiError('resource-exhausted', text, { cause: error })
    }
    throw internal(`grpc: failed to decompress the received message: ${messageOf(error)}`, error)
  }
}

function internal(text: string, cause?: unknown): ApiError {
  return new ApiError('internal', text, { cause })
}

/** A frame around a message. */
export function frameOf(message: Uint8Array): Buffer {
  const frame = Buffer.allocUnsafe(headerBytes + message.length)
  frame[0] = 0
  frame.writeUInt32BE(message.length, 1)
  frame.set(message, headerBytes)
  return frame
}
