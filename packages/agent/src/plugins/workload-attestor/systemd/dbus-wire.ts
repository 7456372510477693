/** A method call on the bus. */
export interface DbusCall {
  readonly destination: string
  readonly path: string
  readonly interface: string
  readonly member: string
  /** Strings and unsigned 32-bit numbers are all that is asked with. */
  readonly arguments: readonly (string | number)[]
}

/** What came back. */
export interface DbusReply {
  readonly replySerial: number
  /** Empty: none. */
  readonly errorName: string
  /** The first value when it is text (or text in a variant); an error's is its message. */
  readonly text: string | undefined
}

/** A message longer than this is none that was asked for. */
export const maxMessageBytes: number = 64 * 1024
/** Length of the fixed part of a message's header. */
export const prefixBytes = 16

const littleEndian = 'l'.charCodeAt(0)
const types = { call: 1, reply: 2, error: 3 } as const
const fields = {
  path: 1,
  interface: 2,
  member: 3,
  error: 4,
  replySerial: 5,
  destination: 6,
} as const
const signatureField = 8
const bodySignatureField = 8

/** Writes a call in the wire format of the D-Bus Specification 0.41, little-endian. */
export function encodeCall(call: DbusCall, serial: number): Buffer {
  const body = new DbusWriter()
  for (const argument of call.arguments) {
    if (typeof argument === 'number') body.uint32(argument)
    else body.string(argument)
  }
  const signature = call.arguments.map((one) => (typeof one === 'number' ? 'u' : 's')).join('')
  const header = new DbusWriter()
  header.text(fields.path, 'o', call.path)
  header.text(fields.interface, 's', call.interface)
  header.text(fields.member, 's', call.member)
  header.text(fields.destination, 's', call.destination)
  if (signature !== '') header.signature(signatureField, signature)
  const fixed = Buffer.alloc(prefixBytes)
  fixed.set([littleEndian, types.call, 0, 1])
  fixed.writeUInt32LE(body.length, 4)
  fixed.writeUInt32LE(serial, 8)
  fixed.writeUInt32LE(header.length, 12)
  return Buffer.concat([fixed, header.bytes(), padding(header.length, 8), body.bytes()])
}

/** The length of a whole message, from its first {@link prefixBytes}; undefined when it is none we read. */
export function messageLength(prefix: Buffer): number | undefined {
  if (prefix[0] !== littleEndian) return undefined
  const length = prefixBytes + align(prefix.readUInt32LE(12), 8) + prefix.readUInt32LE(4)
  return length > maxMessageBytes ? undefined : length
}

/**
 * Reads a message; undefined when it answers no call.
 *
 * @throws {RangeError} when a length in it is wrong
 */
export function decodeReply(message: Buffer): DbusReply | undefined {
  const type = message[1]
  if (type !== types.reply && type !== types.error) return undefined
  const headerBytes = message.readUInt32LE(12)
  const header = new DbusReader(message.subarray(0, prefixBytes + headerBytes), prefixBytes)
  let [errorName, signature, replySerial] = ['', '', 0]
  while (header.hasMore) {
    header.align(8)
    const field = header.byte()
    const value = header.variant()
    if (field === fields.error) errorName = String(value)
    if (field === bodySignatureField) signature = String(value)
    if (field === fields.replySerial) replySerial = Number(value)
  }
  const body = new DbusReader(message.subarray(prefixBytes + align(headerBytes, 8)), 0)
  const first = signature[0]
  const value = first === undefined ? undefined : body.value(first)
  return { replySerial, errorName, text: typeof value === 'string' ? value : undefined }
}

class DbusWriter {
  readonly #parts: Buffer[] = []
  length = 0

  bytes(): Buffer {
    return Buffer.concat(this.#parts)
  }

  uint32(value: number): void {
    this.#align(4)
    const part = Buffer.alloc(4)
    part.writeUInt32LE(value)
    this.#push(part)
  }

  string(value: string): void {
    const text = Buffer.from(`${value}\0`)
    this.uint32(text.length - 1)
    this.#push(text)
  }

  /** A header field that holds text of type `s` or `o`. */
  text(field: number, type: 's' | 'o', value: string): void {
    this.#align(8)
    this.#push(Buffer.from([field, 1, type.charCodeAt(0), 0]))
    this.string(value)
  }

  /** A header field that holds a signature. */
  signature(field: number, value: string): void {
    this.#align(8)
    this.#push(
      Buffer.from([field, 1, 'g'.charCodeAt(0), 0, value.length, ...Buffer.from(value), 0]),
    )
  }

  #align(to: number): void {
    this.#push(padding(this.length, to))
  }

  #push(part: Buffer): void {
    this.#parts.push(part)
    this.length += part.length
  }
}

class DbusReader {
  readonly #bytes: Buffer
  #at: number

  constructor(bytes: Buffer, at: number) {
    this.#bytes = bytes
    this.#at = at
  }

  get hasMore(): boolean {
    return this.#at < this.#bytes.length
  }

  align(to: number): void {
    this.#at = align(this.#at, to)
  }

  byte(): number {
    const value = this.#bytes.readUInt8(this.#at)
    this.#at += 1
    return value
  }

  variant(): unknown {
    return this.value(this.#text(this.byte()))
  }

  /** A value of one of the simple types; undefined for others, which nobody reads. */
  value(type: string): unknown {
    if (type === 's' || type === 'o') return this.#text(this.#uint32())
    if (type === 'g') return this.#text(this.byte())
    if (type === 'u') return this.#uint32()
    if (type === 'v') return this.variant()
    return undefined
  }

  #uint32(): number {
    this.align(4)
    const value = this.#bytes.readUInt32LE(this.#at)
    this.#at += 4
    return value
  }

  #text(length: number): string {
    const end = this.#at + length
    if (end >= this.#bytes.length) throw new RangeError('a text ends beyond its message')
    const text = this.#bytes.toString('utf8', this.#at, end)
    this.#at = end + 1
    return text
  }
}

function align(length: number, to: number): number {
  return Math.ceil(length / to) * to
}

function padding(length: number, to: number): Buffer {
  return Buffer.alloc(align(length, to) - length)
}
