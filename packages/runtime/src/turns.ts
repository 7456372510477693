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
