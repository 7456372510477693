import type { Socket } from 'node:net'
import { Duplex } from 'node:stream'
import { cleanAuthority } from './clean-authority.ts'
import { frameHeaderBytes, HeaderFrames } from './header-frames.ts'

const preface = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n')
const settingsType = 4
const settingBytes = 6
const maxConcurrentStreams = 3
/** Settings of a client are few: what claims to be longer is not looked at. */
const maxSettingsBytes = 1_024

/**
 * Whether these are the first bytes of grpc-java; undefined: more of them are needed to tell. It alone says in its settings that
 * it takes no streams from the server.
 */
export function isJavaClient(first: Buffer): boolean | undefined {
  const known = Math.min(first.length, preface.length)
  if (!first.subarray(0, known).equals(preface.subarray(0, known))) return false
  if (first.length < preface.length + frameHeaderBytes) return undefined
  const length = first.readUIntBE(preface.length, 3)
  if (first[preface.length + 3] !== settingsType || length > maxSettingsBytes) return false
  const start = preface.length + frameHeaderBytes
  if (first.length < start + length) return undefined
  for (let at = start; at + settingBytes <= start + length; at += settingBytes) {
    if (first.readUInt16BE(at) === maxConcurrentStreams && first.readUInt32BE(at + 2) === 0)
      return true
  }
  return false
}

/**
 * A connection as nghttp2 takes it: grpc-java gives the path of a Unix socket as `:authority`, which RFC 9113 (8.3.1) does not
 * allow and nghttp2 answers with a reset, where Go's server never looks at it.
 */
export function withCleanAuthority(socket: Socket): Duplex {
  const frames = new HeaderFrames(preface.length, cleanAuthority)
  const cleaned = new Duplex({
    allowHalfOpen: true,
    read: () => void socket.resume(),
    write: (chunk: Buffer, _encoding, done) => void socket.write(chunk, done),
    final: (done) => void socket.end(done),
    destroy: (error, done) => {
      socket.destroy()
      done(error)
    },
  })
  // Whoever it is for hears of the end all the same.
  cleaned.on('error', () => {})
  socket.on('data', (chunk: Buffer) => {
    const passed = frames.take(chunk)
    if (passed.length > 0 && !cleaned.push(passed)) socket.pause()
  })
  socket.once('end', () => cleaned.push(null))
  socket.once('close', () => cleaned.destroy())
  return cleaned
}

/**
 * Looks at the first bytes of a connection, which every client sends without being asked, and hands it on as its server can take it.
 *
 * @param accept not called when the connection ends first
 */
export function whenKnown(socket: Socket, accept: (connection: Duplex) => void): void {
  let first: Buffer = Buffer.alloc(0)
  const onReadable = (): void => {
    const chunk: Buffer | null = socket.read()
    if (chunk) first = Buffer.concat([first, chunk])
    // Without a chunk it has ended; what it said until then is judged as it is.
    const isJava = chunk ? isJavaClient(first) : false
    if (isJava === undefined) return
    socket.off('readable', onReadable)
    socket.pause()
    if (first.length > 0) socket.unshift(first)
    accept(isJava ? withCleanAuthority(socket) : socket)
  }
  socket.on('readable', onReadable)
}
