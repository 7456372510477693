import { Http2Error } from './http2-error.ts'
import { errorCodes } from './protocol.ts'

/** What comes of one HEADERS frame and the CONTINUATION frames after it. */
export interface HeaderBlock {
  readonly streamId: number
  readonly endsStream: boolean
  readonly bytes: Buffer
}

/** More CONTINUATION frames than this are not waited for; those of honest peers are full. */
const maxContinuations = 8

/** A header block that is not complete. Until it is nothing else may come (RFC 9113, 4.3). */
export class UnfinishedBlock {
  readonly streamId: number
  readonly #endsStream: boolean
  readonly #maxBytes: number
  readonly #pieces: Buffer[]
  #bytes: number

  constructor(first: HeaderBlock, maxBytes: number) {
    this.streamId = first.streamId
    this.#endsStream = first.endsStream
    this.#maxBytes = maxBytes
    // A copy: a small piece must not hold on to all that was read with it.
    this.#pieces = [Buffer.from(first.bytes)]
    this.#bytes = first.bytes.length
  }

  /** @throws {Http2Error} `ERR_HTTP2_CONNECTION` for one that goes on and on */
  add(piece: Buffer): void {
    this.#bytes += piece.length
    if (this.#bytes > this.#maxBytes || this.#pieces.length > maxContinuations)
      throw new Http2Error(errorCodes.enhanceYourCalm, 'a header block without end')
    this.#pieces.push(Buffer.from(piece))
  }

  finish(): HeaderBlock {
    const bytes = Buffer.concat(this.#pieces)
    return { streamId: this.streamId, endsStream: this.#endsStream, bytes }
  }
}
