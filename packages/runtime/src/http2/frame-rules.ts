import type { Frame } from './frame-cutter.ts'
import { Http2Error } from './http2-error.ts'
import { errorCodes, frameFlags, frameTypes } from './protocol.ts'

/** What a connection waits for. */
export interface Expectations {
  /** Its first frame has come (RFC 9113, 3.4). */
  readonly hasSettings: boolean
  /** A header block has begun and not ended (RFC 9113, 4.3). */
  readonly isAmidBlock: boolean
}

/**
 * Checks that a frame may come now, and on the stream that it names.
 *
 * @throws {Http2Error} `ERR_HTTP2_CONNECTION`
 */
export function checkPlace(frame: Frame, { hasSettings, isAmidBlock }: Expectations): void {
  const { type, streamId, flags } = frame
  const isSettings = type === frameTypes.settings && !(flags & frameFlags.ack)
  if (!hasSettings && !isSettings) throw protocolError('no SETTINGS at first')
  if (isAmidBlock !== (type === frameTypes.continuation))
    throw protocolError(isAmidBlock ? 'a frame amid a header block' : 'CONTINUATION of nothing')
  if (streamId === 0 && ofStreams.has(type)) throw protocolError('a frame that needs a stream')
  if (streamId !== 0 && ofConnections.has(type)) throw protocolError('a frame that needs no stream')
}

const ofStreams: ReadonlySet<number> = new Set([
  frameTypes.data,
  frameTypes.headers,
  frameTypes.priority,
  frameTypes.rstStream,
  frameTypes.continuation,
])
const ofConnections: ReadonlySet<number> = new Set([
  frameTypes.settings,
  frameTypes.ping,
  frameTypes.goAway,
])

/** @throws {Http2Error} `ERR_HTTP2_CONNECTION` for a payload of another length (RFC 9113, 4.2) */
export function checkLength({ start, end }: Frame, length: number): void {
  if (end - start !== length) throw new Http2Error(errorCodes.frameSizeError, 'a bad length')
}

/**
 * Priorities are not used (RFC 9113, 5.3.2), but a stream that is said to depend on itself is still an error, as RFC 7540 had it.
 *
 * @throws {Http2Error} `ERR_HTTP2_CONNECTION`
 */
export function checkPriority({ bytes, streamId }: Frame, at: number): void {
  if ((bytes.readUInt32BE(at) & 0x7fffffff) === streamId)
    throw protocolError('a stream that depends on itself')
}

/**
 * Where the payload lies, between the length of the padding and the padding (RFC 9113, 6.1).
 *
 * @throws {Http2Error} `ERR_HTTP2_CONNECTION` for more padding than there is frame
 */
export function withoutPadding({ bytes, flags, start, end }: Frame): {
  readonly start: number
  readonly end: number
} {
  if (!(flags & frameFlags.padded)) return { start, end }
  if (start === end) throw new Http2Error(errorCodes.frameSizeError, 'padding without length')
  const padding = bytes[start] ?? 0
  if (start + 1 + padding > end) throw protocolError('more padding than frame')
  return { start: start + 1, end: end - padding }
}

/** A peer that breaks the protocol in a way that has no name of its own. */
export function protocolError(what: string): Http2Error {
  return new Http2Error(errorCodes.protocolError, what)
}
