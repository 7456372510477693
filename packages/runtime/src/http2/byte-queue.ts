const firstBytes = 256

/** Bytes that wait to be read, in one buffer of their own: many small pieces cost no more than one large one. */
export class ByteQueue {
  #buffer: Buffer | undefined
  #length = 0

  get length(): number {
    return this.#length
  }

  push(bytes: Uint8Array): void {
    const needed = this.#length + bytes.length
    const held = this.#buffer
    if (!held || held.length < needed) {
      let capacity = held?.length ?? firstBytes
      while (capacity < needed) capacity *= 2
      this.#buffer = Buffer.allocUnsafeSlow(capacity)
      held?.copy(this.#buffer, 0, 0, this.#length)
    }
    this.#buffer?.set(bytes, this.#length)
    this.#length = needed
  }

  /** What is there, to be looked at until the next push. */
  peek(): Buffer {
    return this.#buffer?.subarray(0, this.#length) ?? Buffer.alloc(0)
  }

  /** All of it; it is the caller's from now on. */
  takeAll(): Buffer {
    const bytes = this.peek()
    this.#buffer = undefined
    this.#length = 0
    return bytes
  }
}
