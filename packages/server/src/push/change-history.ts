/** A state of a set, as an agent can name it. */
export interface StateMark {
  readonly revision: number
  /** Hexadecimal. */
  readonly digest: string
  readonly bundlesDigest: string
}

interface Step {
  readonly from: StateMark
  readonly messages: readonly Uint8Array[]
}

/** Changes that are kept for agents that are behind; one that is further behind gets a snapshot. */
const maxSteps = 64

/** What these changes may take in memory, encoded. */
const maxBytes = 256 * 1024

/**
 * The last changes of a set, encoded. States are numbered; an agent that is behind has a number only, so that however slow it
 * is, it costs nothing.
 */
export class ChangeHistory {
  readonly #steps: Step[] = []
  #number = 0
  #bytes = 0

  /** The number of the newest state. */
  get number(): number {
    return this.#number
  }

  /** Appends the change from the newest state to the next. */
  push(step: Step): void {
    this.#number++
    this.#steps.push(step)
    this.#bytes += sizeOf(step)
    while (this.#steps.length > maxSteps || this.#bytes > maxBytes) {
      const oldest = this.#steps.shift()
      if (oldest) this.#bytes -= sizeOf(oldest)
    }
  }

  /** The newest state is another one, and no change leads to it: whoever has an older one needs a snapshot. */
  skip(): void {
    this.#number++
    this.#steps.length = 0
    this.#bytes = 0
  }

  /** The messages that lead from a state to the next; undefined when they are not kept any more. */
  next(number: number): readonly Uint8Array[] | undefined {
    return this.#step(number)?.messages
  }

  /** How an agent names an older state that changes are kept from. */
  markOf(number: number): StateMark | undefined {
    return this.#step(number)?.from
  }

  /** The number of the older state that an agent names, if what leads from there is kept. */
  find(mark: StateMark): number | undefined {
    const at = this.#steps.findLastIndex(
      ({ from }) =>
        from.revision === mark.revision &&
        from.digest === mark.digest &&
        from.bundlesDigest === mark.bundlesDigest,
    )
    return at < 0 ? undefined : this.#number - this.#steps.length + at
  }

  /** The change that begins at a state. */
  #step(number: number): Step | undefined {
    return this.#steps[number - (this.#number - this.#steps.length)]
  }
}

function sizeOf({ messages }: Step): number {
  return messages.reduce((sum, { length }) => sum + length, 0)
}
