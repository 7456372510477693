const firstBytes = 4096

/** Longer strings are written by the runtime, shorter ones by a loop: the call would cost more than the bytes. */
const loopLength = 64

/**
 * Writes the primitives of the store format into one buffer that is used again and again. Equal values give equal bytes; there
 * is one way to write each.
 */
export class BinaryWriter {
  #bytes: Buffer = Buffer.allocUnsafe(firstBytes)
  #length = 0

  get length(): number {
    return this.#length
  }

  reset(): void {
    this.#length = 0
  }

  /** What was written since the last reset, copied. */
  take(): Buffer {
    return Buffer.from(this.#bytes.subarray(0, this.#length))
  }

  /** What was written since the last reset, without copying: good until something else is written. */
  view(): Buffer {
    return this.#bytes.subarray(0, this.#length)
  }

  byte(value: number): void {
    this.#room(1)
    this.#bytes[this.#length++] = value
  }

  /** A whole number from 0 to 2^63: seven bits a byte, lowest first, the high bit set on all but the last. */
  unsigned(value: number): void {
    this.#room(10)
    let rest = value
    while (rest >= 0x80) {
      this.#bytes[this.#length++] = (rest % 0x80) + 0x80
      rest = Math.floor(rest / 0x80)
    }
    this.#bytes[this.#length++] = rest
  }

  /** A whole number: the lowest bit of the first byte is the sign, then the magnitude as {@link BinaryWriter.unsigned}. */
  signed(value: number): void {
    const magnitude = Math.abs(value)
    const low = (magnitude % 0x40) * 2 + (value < 0 ? 1 : 0)
    this.byte(magnitude < 0x40 ? low : low + 0x80)
    if (magnitude >= 0x40) this.unsigned(Math.floor(magnitude / 0x40))
  }

  /** UTF-8, its length in bytes before it. */
  string(value: string): void {
    if (value.length < loopLength && this.#ascii(value)) return
    const length = Buffer.byteLength(value)
    this.unsigned(length)
    this.#room(length)
    this.#bytes.write(value, this.#length)
    this.#length += length
  }

  /** Bytes, their number before them. */
  bytes(value: Uint8Array): void {
    this.unsigned(value.length)
    this.raw(value)
  }

  /** Bytes without their number. */
  raw(value: Uint8Array): void {
    this.#room(value.length)
    this.#bytes.set(value, this.#length)
    this.#length += value.length
  }

  /** Bytes held in a string of as many characters (how hashes are kept), without their number. */
  rawLatin1(value: string): void {
    this.#room(value.length)
    this.#length += this.#bytes.write(value, this.#length, 'latin1')
  }

  #ascii(value: string): boolean {
    this.#room(loopLength + 1)
    const bytes = this.#bytes
    const start = this.#length + 1
    for (let i = 0; i < value.length; i++) {
      const code = value.charCodeAt(i)
      if (code >= 0x80) return false
      bytes[start + i] = code
    }
    bytes[this.#length] = value.length
    this.#length = start + value.length
    return true
  }

  #room(bytes: number): void {
    const needed = this.#length + bytes
    if (needed <= this.#bytes.length) return
    const larger = Buffer.allocUnsafe(Math.max(needed, this.#bytes.length * 2))
    larger.set(this.#bytes.subarray(0, this.#length))
    this.#bytes = larger
  }
}
