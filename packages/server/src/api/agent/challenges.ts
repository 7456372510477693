/** One challenge on its way to the agent, and the promise of the answer. */
interface Pending {
  readonly challenge: Uint8Array
  readonly resolve: (answer: Uint8Array) => void
  readonly reject: (error: unknown) => void
}

/**
 * Joins an attestor, which asks and waits, to a stream handler, which yields and reads: challenges come out one at a time in
 * the order in which they were made.
 */
export class Challenges {
  readonly #waiting: Pending[] = []
  #wake: (() => void) | undefined
  #isClosed = false

  /** For the attestor: sends a challenge and resolves to the answer. */
  ask(challenge: Uint8Array): Promise<Uint8Array> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ challenge, resolve, reject })
      this.#wake?.()
    })
  }

  /** The attestor has come to an end, whichever. */
  close(): void {
    this.#isClosed = true
    this.#wake?.()
  }

  /** The agent has gone: whoever waits for it stops waiting. */
  fail(error: unknown): void {
    this.close()
    for (const { reject } of this.#waiting.splice(0)) reject(error)
  }

  /** For the stream: the challenges, until the attestor has come to its end. */
  async *pending(): AsyncGenerator<Pending, void> {
    for (;;) {
      const next = this.#waiting.shift()
      if (next) {
        yield next
        continue
      }
      if (this.#isClosed) return
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
      this.#wake = undefined
    }
  }
}
