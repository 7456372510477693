/** What a client asks for in its first message. */
export interface ClientHello {
  /** Host name, in lower case; empty without one. */
  readonly serverName: string
  readonly protocols: readonly string[]
}

const handshakeRecord = 22
const clientHelloMessage = 1
const serverNameExtension = 0
const alpnExtension = 16

/**
 * Reads the names and protocols from the first TLS record of a connection [RFC 8446 4.1.2, RFC 6066 3, RFC 7301 3.1].
 *
 * @returns undefined for anything that is not a whole ClientHello in one record; OpenSSL says then what is wrong with it
 */
export function readClientHello(record: Uint8Array): ClientHello | undefined {
  try {
    return parse(new Reader(record))
  } catch (error) {
    if (error instanceof RangeError) return undefined
    throw error
  }
}

function parse(record: Reader): ClientHello | undefined {
  if (record.number(1) !== handshakeRecord) return undefined
  record.number(2)
  const message = record.vector(2)
  if (message.number(1) !== clientHelloMessage) return undefined
  const hello = message.vector(3)
  hello.skip(2 + 32)
  hello.vector(1)
  hello.vector(2)
  hello.vector(1)
  let serverName = ''
  let protocols: readonly string[] = []
  const extensions = hello.vector(2)
  while (extensions.hasMore) {
    const type = extensions.number(2)
    const body = extensions.vector(2)
    if (type === serverNameExtension) serverName = readServerName(body)
    else if (type === alpnExtension) protocols = readProtocols(body)
  }
  return { serverName, protocols }
}

function readServerName(body: Reader): string {
  const names = body.vector(2)
  while (names.hasMore) {
    const type = names.number(1)
    const name = names.vector(2)
    if (type === 0) return name.text().toLowerCase()
  }
  return ''
}

function readProtocols(body: Reader): readonly string[] {
  const list = body.vector(2)
  const protocols: string[] = []
  while (list.hasMore) protocols.push(list.vector(1).text())
  return protocols
}

/** Reads numbers and vectors; reading past the end is a RangeError. */
class Reader {
  readonly #bytes: Buffer
  #at = 0

  constructor(bytes: Uint8Array) {
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  }

  get hasMore(): boolean {
    return this.#at < this.#bytes.length
  }

  number(size: 1 | 2 | 3): number {
    const value = this.#bytes.readUIntBE(this.#at, size)
    this.#at += size
    return value
  }

  skip(size: number): void {
    if (this.#at + size > this.#bytes.length) throw new RangeError('past the end')
    this.#at += size
  }

  /** What stands behind its own length. */
  vector(lengthSize: 1 | 2 | 3): Reader {
    const length = this.number(lengthSize)
    const start = this.#at
    this.skip(length)
    return new Reader(this.#bytes.subarray(start, start + length))
  }

  text(): string {
    return this.#bytes.toString('latin1')
  }
}
