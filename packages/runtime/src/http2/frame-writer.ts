import {
  type ErrorCode,
  frameFlags,
  frameHeaderBytes,
  frameTypes,
  maxFrameBytes,
} from './protocol.ts'

/** Writes the head of a frame into bytes that are there; returns where its payload begins. */
export function writeFrameHead(
  into: Buffer,
  at: number,
  head: {
    readonly length: number
    readonly type: number
    readonly flags: number
    readonly streamId: number
  },
): number {
  into.writeUIntBE(head.length, at, 3)
  into[at + 3] = head.type
  into[at + 4] = head.flags
  into.writeUInt32BE(head.streamId, at + 5)
  return at + frameHeaderBytes
}

function frame(type: number, flags: number, streamId: number, length: number): Buffer {
  const bytes = Buffer.allocUnsafe(frameHeaderBytes + length)
  writeFrameHead(bytes, 0, { length, type, flags, streamId })
  return bytes
}

/** RFC 9113, 6.5. */
export function settingsFrame(settings: readonly (readonly [id: number, value: number])[]): Buffer {
  const bytes = frame(frameTypes.settings, 0, 0, settings.length * 6)
  settings.forEach(([id, value], index) => {
    bytes.writeUInt16BE(id, frameHeaderBytes + index * 6)
    bytes.writeUInt32BE(value, frameHeaderBytes + index * 6 + 2)
  })
  return bytes
}

/** RFC 9113, 6.5.3. */
export function settingsAckFrame(): Buffer {
  return frame(frameTypes.settings, frameFlags.ack, 0, 0)
}

/** The answer to a PING (RFC 9113, 6.7). */
export function pingAckFrame(opaque: Uint8Array): Buffer {
  const bytes = frame(frameTypes.ping, frameFlags.ack, 0, opaque.length)
  bytes.set(opaque, frameHeaderBytes)
  return bytes
}

/** A PING that asks for an answer (RFC 9113, 6.7). */
export function pingFrame(): Buffer {
  const bytes = frame(frameTypes.ping, 0, 0, 8)
  return bytes.fill(0, frameHeaderBytes)
}

/** RFC 9113, 6.8. */
export function goAwayFrame(lastStreamId: number, code: ErrorCode): Buffer {
  const bytes = frame(frameTypes.goAway, 0, 0, 8)
  bytes.writeUInt32BE(lastStreamId, frameHeaderBytes)
  bytes.writeUInt32BE(code, frameHeaderBytes + 4)
  return bytes
}

/** RFC 9113, 6.4. */
export function rstStreamFrame(streamId: number, code: ErrorCode): Buffer {
  return numberFrame(frameTypes.rstStream, streamId, code)
}

/** RFC 9113, 6.9. */
export function windowUpdateFrame(streamId: number, increment: number): Buffer {
  return numberFrame(frameTypes.windowUpdate, streamId, increment)
}

function numberFrame(type: number, streamId: number, value: number): Buffer {
  const bytes = frame(type, 0, streamId, 4)
  bytes.writeUInt32BE(value, frameHeaderBytes)
  return bytes
}

/** A header block in as many frames as it takes (RFC 9113, 6.2, 6.10). */
export function headerFrames(streamId: number, block: Buffer, endsStream: boolean): Buffer {
  const count = Math.max(1, Math.ceil(block.length / maxFrameBytes))
  const bytes = Buffer.allocUnsafe(block.length + count * frameHeaderBytes)
  let at = 0
  for (let n = 0; n < count; n++) {
    const from = n * maxFrameBytes
    const length = Math.min(block.length - from, maxFrameBytes)
    const end = n === count - 1 ? frameFlags.endHeaders : 0
    const type = n === 0 ? frameTypes.headers : frameTypes.continuation
    const flags = n === 0 && endsStream ? end | frameFlags.endStream : end
    at = writeFrameHead(bytes, at, { length, type, flags, streamId })
    at += block.copy(bytes, at, from, from + length)
  }
  return bytes
}

/** The head of a DATA frame; its payload follows (RFC 9113, 6.1). */
export function dataHead(streamId: number, length: number): Buffer {
  const bytes = Buffer.allocUnsafe(frameHeaderBytes)
  writeFrameHead(bytes, 0, { length, type: frameTypes.data, flags: 0, streamId })
  return bytes
}

/**
 * A whole answer as one piece: HEADERS, a DATA frame, HEADERS that end the stream. For blocks and data that fit in a frame each.
 */
export function answerFrames(streamId: number, { headers, data, trailers }: AnswerParts): Buffer {
  const length = 3 * frameHeaderBytes + headers.length + data.length + trailers.length
  const bytes = Buffer.allocUnsafe(length)
  const { headers: type, data: dataType } = frameTypes
  let flags: number = frameFlags.endHeaders
  let at = writeFrameHead(bytes, 0, { length: headers.length, type, flags, streamId })
  bytes.set(headers, at)
  at += headers.length
  at = writeFrameHead(bytes, at, { length: data.length, type: dataType, flags: 0, streamId })
  bytes.set(data, at)
  at += data.length
  flags |= frameFlags.endStream
  at = writeFrameHead(bytes, at, { length: trailers.length, type, flags, streamId })
  bytes.set(trailers, at)
  return bytes
}

/** What an answer is made of: two header blocks, and what is between them. */
export interface AnswerParts {
  readonly headers: Buffer
  readonly data: Buffer
  readonly trailers: Buffer
}
