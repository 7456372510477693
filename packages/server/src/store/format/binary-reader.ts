import { StoreError } from '../store-error.ts'

/** Reads what a binary writer wrote. Anything that does not fit is `ERR_STORE_CORRUPT`. */
export class BinaryReader {
  #bytes: Buffer
  #offset: number
  #end: number

  constructor(bytes: Uint8Array, start = 0, end: number = bytes.length) {
    this.#bytes = asBuffer(bytes)
    this.#offset = start
    this.#end = end
  }

  /** Reads other bytes from now on: cheaper than another reader. */
  reset(bytes: Buffer, start: number, end: number): void {
    this.#bytes = bytes
    this.#offset = start
    this.#end = end
  }

  get offset(): number {
    return this.#offset
  }

  get isAtEnd(): boolean {
    return this.#offset === this.#end
  }

  /** @throws {StoreError} `ERR_STORE_CORRUPT` when something is left */
  end(): void {
    if (this.#offset !== this.#end) throw corrupt('has bytes after its end')
  }

  byte(): number {
    if (this.#offset >= this.#end) throw corrupt('ends early')
    return this.#bytes[this.#offset++] ?? 0
  }

  unsigned(): number {
    let value = 0
    let scale = 1
    for (let count = 0; count < 10; count++) {
      const byte = this.byte()
      value += (byte & 0x7f) * scale
      if (byte < 0x80) return value
      scale *= 0x80
    }
    throw corrupt('has a number that is too long')
  }

  signed(): number {
    const first = this.byte()
    const low = (first & 0x7f) >> 1
    const magnitude = first < 0x80 ? low : low + this.unsigned() * 0x40
    return first & 1 ? -magnitude : magnitude
  }

  string(): string {
    const start = this.#skip(this.unsigned())
    return this.#bytes.toString('utf8', start, this.#offset)
  }

  bytes(): Uint8Array {
    const start = this.#skip(this.unsigned())
    // A copy: a view would keep the whole page of records it was read with.
    return new Uint8Array(this.#bytes.subarray(start, this.#offset))
  }

  /** A view of so many bytes, without copying. */
  raw(length: number): Buffer {
    const start = this.#skip(length)
    return this.#bytes.subarray(start, this.#offset)
  }

  rawLatin1(length: number): string {
    const start = this.#skip(length)
    return this.#bytes.toString('latin1', start, this.#offset)
  }

  /** Passes over a string or bytes, with their number. */
  skip(): void {
    this.#skip(this.unsigned())
  }

  /** Passes over so many bytes. */
  skipRaw(length: number): void {
    this.#skip(length)
  }

  #skip(length: number): number {
    const start = this.#offset
    if (length > this.#end - start) throw corrupt('ends early')
    this.#offset = start + length
    return start
  }
}

/** The same bytes as a buffer. */
export function asBuffer(bytes: Uint8Array): Buffer {
  if (bytes instanceof Buffer) return bytes
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

function corrupt(what: string): StoreError {
  return new StoreError('ERR_STORE_CORRUPT', `stored data ${what}`)
}
