/** Numbers from 0 up to 1 that are the same for the same seed. */
export function seededRandom(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}

/** What generators of requests decide by: the same seed, the same requests. */
export class Chance {
  readonly #random: () => number

  constructor(seed: number) {
    this.#random = seededRandom(seed)
  }

  /** A number from 0 up to 1. */
  draw(): number {
    return this.#random()
  }

  /** True in this share of all cases. */
  happens(share: number): boolean {
    return this.#random() < share
  }

  /** One of the values. */
  of<T>(values: readonly T[]): T {
    const value = values[Math.floor(this.#random() * values.length)]
    if (value === undefined) throw new Error('nothing to choose from')
    return value
  }

  /** Now and then none, else from one to `most`. */
  some<T>(make: () => T, most: number): T[] {
    const count = this.happens(0.03) ? 0 : 1 + Math.floor(this.#random() * most)
    return Array.from({ length: count }, make)
  }
}
