/** Lets work wait for its turn: one at a time, in the order asked for. A failure is its caller's only. */
export class Turns {
  #last: Promise<unknown> = Promise.resolve()

  /** Does the work when everything before it has ended; settles as the work does. */
  run<Result>(work: () => Promise<Result>): Promise<Result> {
    const turn = this.#last.then(work)
    this.#last = turn.catch(() => {})
    return turn
  }
}

/** {@link Turns} of each key: work for one waits, work for another does not. A key that nobody waits for is forgotten. */
export class KeyedTurns {
  readonly #keys = new Map<string, { readonly turns: Turns; waiting: number }>()

  /** Keys with work that has not ended. */
  get size(): number {
    return this.#keys.size
  }

  /** As {@link Turns.run}, among the work for the same key. */
  async run<Result>(key: string, work: () => Promise<Result>): Promise<Result> {
    const found = this.#keys.get(key) ?? { turns: new Turns(), waiting: 0 }
    this.#keys.set(key, found)
    found.waiting++
    try {
      return await found.turns.run(work)
    } finally {
      if (--found.waiting === 0) this.#keys.delete(key)
    }
  }
}
