/** What is sent on one stream, when who sends it decides call by call. Always end it: the stream waits for more otherwise. */
export class RequestQueue<T> implements AsyncIterable<T> {
  readonly #waiting: T[]
  #hasEnded = false
  #wake: (() => void) | undefined

  constructor(...first: readonly T[]) {
    this.#waiting = [...first]
  }

  /** Sends one more. */
  push(request: T): void {
    this.#waiting.push(request)
    this.#wake?.()
  }

  /** Ends what is sent; a second call changes nothing. */
  end(): void {
    this.#hasEnded = true
    this.#wake?.()
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<T, void, undefined> {
    for (;;) {
      const next = this.#waiting.shift()
      if (next) yield next
      else if (this.#hasEnded) return
      else await new Promise<void>((resolve) => (this.#wake = resolve))
    }
  }
}
