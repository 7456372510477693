/** What a client's connection begins with (RFC 9113, 3.4). */
export const preface: Buffer = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n')

/** Length, type, flags and stream of a frame (RFC 9113, 4.1). */
export const frameHeaderBytes = 9

/** The longest payload taken and sent: the protocol's initial value, which is never raised here (RFC 9113, 4.2). */
export const maxFrameBytes = 16_384

/** Room of a stream and of a connection until something else is said (RFC 9113, 6.9.2). */
export const initialWindowBytes = 65_535

/** No window is larger (RFC 9113, 6.9.1). */
export const maxWindowBytes: number = 2 ** 31 - 1

/** The largest ID a stream can have. */
export const maxStreamId: number = 2 ** 31 - 1

/** RFC 9113, 6. */
export const frameTypes = {
  data: 0,
  headers: 1,
  priority: 2,
  rstStream: 3,
  settings: 4,
  pushPromise: 5,
  ping: 6,
  goAway: 7,
  windowUpdate: 8,
  continuation: 9,
} as const

/** RFC 9113, 6; which frames have which is told there. */
export const frameFlags = {
  ack: 0x01,
  endStream: 0x01,
  endHeaders: 0x04,
  padded: 0x08,
  priority: 0x20,
} as const

/** RFC 9113, 6.5.2. */
export const settingIds = {
  headerTableSize: 1,
  enablePush: 2,
  maxConcurrentStreams: 3,
  initialWindowSize: 4,
  maxFrameSize: 5,
  maxHeaderListSize: 6,
} as const

/** RFC 9113, 7. */
export const errorCodes = {
  noError: 0,
  protocolError: 1,
  internalError: 2,
  flowControlError: 3,
  streamClosed: 5,
  frameSizeError: 6,
  refusedStream: 7,
  cancel: 8,
  compressionError: 9,
  enhanceYourCalm: 11,
} as const

/** A number of {@link errorCodes}. */
export type ErrorCode = (typeof errorCodes)[keyof typeof errorCodes]
