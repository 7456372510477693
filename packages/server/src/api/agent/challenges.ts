/** One challenge on its way to the agent, and where its answer goes. */
interface Pending {
  readonly challenge: Uint8Array
  readonly resolve: (answer: Uint8Array) => void
}

/**
 * Joins an attestor, which asks and waits, to a stream handler, which yields and reads: challenges come out one at a time in
 * the order in which they were made.
 */
export class Challenges {
  readonly #waiting: Pending[] = []
  /** Those whose answer has not come, on their way or not. */
  readonly #unanswered = new Set<(error: unknown) => void>()
  #wake: (() => void) | undefined
  #isClosed = false
  #failure: (() => Error) | undefined

  /** For the attestor: sends a challenge and resolves to the answer. */
  ask(challenge: Uint8Array): Promise<Uint8Array> {
    if (this.#failure) return Promise.reject(this.#failure())
    return new Promise((resolve, reject) => {
      this.#unanswered.add(reject)
      const answered = (answer: Uint8Array): void => {
        this.#unanswered.delete(reject)
        resolve(answer)
      }
      this.#waiting.push({ challenge, resolve: answered })
      this.#wake?.()
    })
  }

  /** The attestor has come to an end, whichever. */
  close(): void {
    this.#isClosed = true
    this.#wake?.()
  }

  /**
   * The agent has gone: whoever waits for it stops waiting.
   *
   * @param failure makes the error, which nobody needs when all went well: a stack for each attestation is dear
   */
  fail(failure: () => Error): void {
    this.close()
    this.#failure = failure
    this.#waiting.length = 0
    for (const reject of this.#unanswered) reject(failure())
    this.#unanswered.clear()
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
