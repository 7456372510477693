/** What one of two streams brought, or that one of them has ended. */
export type Merged<A, B> =
  | { readonly from: 'first'; readonly value: A }
  | { readonly from: 'second'; readonly value: B }
  | { readonly from: 'end' }

/**
 * What two streams bring, in the order in which it comes, until one of them ends or fails. Each is asked for more only when what
 * it brought has been dealt with, so that neither can fill memory. A stream that waits when this is left has to be ended by its
 * own signal.
 */
export async function* mergeStreams<A, B>(
  first: AsyncIterable<A>,
  second: AsyncIterable<B>,
): AsyncGenerator<Merged<A, B>, void, undefined> {
  const meeting = new Meeting<Merged<A, B>>()
  void meeting.pump(first, (value) => ({ from: 'first', value }), { from: 'end' })
  void meeting.pump(second, (value) => ({ from: 'second', value }), { from: 'end' })
  try {
    for (;;) {
      const merged = await meeting.next()
      if (merged.from === 'end') return
      yield merged
    }
  } finally {
    meeting.close()
  }
}

/** Where those who bring wait until what they brought has been taken and dealt with. */
class Meeting<T> {
  readonly #ready: T[] = []
  #failure: { readonly error: unknown } | undefined
  #isClosed = false
  #wake: () => void = () => {}
  /** Lets go of whoever brought what is being dealt with. */
  #release: (() => void)[] = []
  #isTaken = false

  async pump<V>(stream: AsyncIterable<V>, wrap: (value: V) => T, end: T): Promise<void> {
    try {
      for await (const value of stream) {
        await this.#offer(wrap(value))
        if (this.#isClosed) return
      }
      void this.#offer(end)
    } catch (error) {
      this.#failure ??= { error }
      this.#wake()
    }
  }

  /** The next that was brought; whoever brought the last may go on. */
  async next(): Promise<T> {
    if (this.#isTaken) this.#release.shift()?.()
    this.#isTaken = false
    for (;;) {
      if (this.#failure) throw this.#failure.error
      const value = this.#ready.shift()
      if (value !== undefined) {
        this.#isTaken = true
        return value
      }
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
    }
  }

  close(): void {
    this.#isClosed = true
    for (const release of this.#release.splice(0)) release()
  }

  #offer(value: T): Promise<void> {
    return new Promise((resolve) => {
      this.#ready.push(value)
      this.#release.push(resolve)
      this.#wake()
    })
  }
}
