import { Http2Error } from './http2-error.ts'
import { errorCodes, maxFrameBytes, maxWindowBytes, settingIds } from './protocol.ts'

const settingBytes = 6
const largestFrameSize = 2 ** 24 - 1

/** What of a client's settings changes what a server does. */
export interface PeerSettings {
  readonly initialWindowSize: number | undefined
  readonly changesTableSize: boolean
}

/**
 * Reads the payload of a SETTINGS frame (RFC 9113, 6.5.2). What is not known is passed over, and of what comes twice the last counts.
 *
 * @throws {Http2Error} `ERR_HTTP2_CONNECTION` for values that are not allowed
 */
export function readSettings(bytes: Buffer, start: number, end: number): PeerSettings {
  if ((end - start) % settingBytes !== 0)
    throw new Http2Error(errorCodes.frameSizeError, 'SETTINGS of a bad length')
  let initialWindowSize: number | undefined
  let changesTableSize = false
  for (let at = start; at < end; at += settingBytes) {
    const value = bytes.readUInt32BE(at + 2)
    switch (bytes.readUInt16BE(at)) {
      case settingIds.headerTableSize:
        changesTableSize = true
        break
      case settingIds.enablePush:
        if (value > 1) throw new Http2Error(errorCodes.protocolError, 'bad ENABLE_PUSH')
        break
      case settingIds.initialWindowSize:
        if (value > maxWindowBytes)
          throw new Http2Error(errorCodes.flowControlError, 'bad INITIAL_WINDOW_SIZE')
        initialWindowSize = value
        break
      case settingIds.maxFrameSize:
        if (value < maxFrameBytes || value > largestFrameSize)
          throw new Http2Error(errorCodes.protocolError, 'bad MAX_FRAME_SIZE')
        break
      default:
    }
  }
  return { initialWindowSize, changesTableSize }
}
