import { configureTextEncoding } from '@bufbuild/protobuf/wire'

/** Node 20 has it, the ES2023 library types do not. */
type WellFormedness = string & { isWellFormed(): boolean }

/**
 * Makes every generated decoder refuse text that is not UTF-8, as Go's does; without it, broken bytes would arrive as
 * replacement characters and two different names could become one.
 *
 * The codecs share one setting per process, so calling this again changes nothing. Hosts and clients call it before
 * their first message.
 */
export function installStrictUtf8(): void {
  const encoder = new TextEncoder()
  const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
  configureTextEncoding({
    checkUtf8: (text) => (text as WellFormedness).isWellFormed(),
    encodeUtf8: (text) => encoder.encode(text),
    encodeUtf8Into: (text, into) => encoder.encodeInto(text, into),
    decodeUtf8: (bytes) => decoder.decode(bytes),
  })
}
