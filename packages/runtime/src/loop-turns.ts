/**
 * Lets long work go on in small pieces: in one turn of the event loop goes one piece, whoever's it is, so that what else has
 * arrived waits for one piece and not for one of each.
 */
export class LoopTurns {
  readonly #waiting: (() => void)[] = []

  /** Resolves in a turn of the event loop that is nobody else's, in the order asked for. */
  next(): Promise<void> {
    return new Promise((resolve) => {
      this.#waiting.push(resolve)
      if (this.#waiting.length === 1) this.#schedule()
    })
  }

  /** As {@link LoopTurns.next}, but before all who wait: for who has just had a turn. Whoever does so must let others go first in the end. */
  again(): Promise<void> {
    return new Promise((resolve) => {
      this.#waiting.unshift(resolve)
      if (this.#waiting.length === 1) this.#schedule()
    })
  }

  #schedule(): void {
    setImmediate(() => {
      // What the piece leads to runs before the next immediate; one that is set here comes after the loop has looked for news.
      const [resolve] = this.#waiting
      if (this.#waiting.length > 1) this.#schedule()
      this.#waiting.shift()
      resolve?.()
    })
  }
}
