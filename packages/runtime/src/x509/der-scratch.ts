const firstBytes = 2048

/**
 * Writes DER from its end to its beginning, into memory that is used again for the next: a length is known when it is
 * written, and nothing is allocated for the parts.
 *
 * @example
 * const end = scratch.length
 * scratch.raw(content)
 * scratch.wrap(derTag.sequence, end)
 */
export class DerScratch {
  #bytes: Buffer = Buffer.allocUnsafeSlow(firstBytes)
  #start = firstBytes

  /** Bytes written since the last {@link DerScratch.rewind} to 0. */
  get length(): number {
    return this.#bytes.length - this.#start
  }

  /** Forgets what was written after the length was this. */
  rewind(length: number): void {
    this.#start = this.#bytes.length - length
  }

  /** What was written since the length was this, without copying: good until something else is written. */
  since(length: number): Buffer {
    return this.#bytes.subarray(this.#start, this.#bytes.length - length)
  }

  /** Puts bytes before what was written. */
  raw(bytes: Uint8Array): void {
    this.#makeRoom(bytes.length)
    this.#start -= bytes.length
    this.#bytes.set(bytes, this.#start)
  }

  /** Puts text before what was written, an octet a character. */
  text(text: string): void {
    this.#makeRoom(text.length)
    this.#start -= text.length
    // Names are short: a call would cost more than the octets.
    for (let at = 0; at < text.length; at++) this.#bytes[this.#start + at] = text.charCodeAt(at)
  }

  /** Makes what was written since the length was this the content of an element: puts its tag and length before it. */
  wrap(tag: number, since: number): void {
    this.#makeRoom(6)
    const bytes = this.#bytes
    let rest = this.length - since
    if (rest < 0x80) {
      bytes[--this.#start] = rest
    } else {
      let octets = 0
      for (; rest > 0; rest = Math.floor(rest / 0x100), octets++) bytes[--this.#start] = rest & 0xff
      bytes[--this.#start] = 0x80 | octets
    }
    bytes[--this.#start] = tag
  }

  #makeRoom(count: number): void {
    if (count <= this.#start) return
    const { length } = this
    const larger = Buffer.allocUnsafeSlow(Math.max(this.#bytes.length * 2, length + count))
    this.#bytes.copy(larger, larger.length - length, this.#start)
    this.#bytes = larger
    this.#start = larger.length - length
  }
}
