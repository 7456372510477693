import { randomInt } from 'node:crypto'
import { hashOfSpan } from './spans.ts'

/** Whether what is held is held under this key. */
export type HoldsKey<Held> = (held: Held, bytes: Uint8Array, start: number, end: number) => boolean

const firstCapacity = 16

/** The table grows when it is fuller than this: a miss then looks at three places on average. */
const maxLoad = 0.6

/** Smaller tables grow fourfold, so that filling them moves each key less often; larger ones double. */
const largeCapacity = 2 ** 18

/**
 * A hash table whose keys are runs of bytes that it does not keep: what is held under a key knows its key. Costs some 20 bytes
 * a key, and reading one costs no string.
 *
 * {@link KeyTable.find} tells where a key is or would be; that place is good until the table changes.
 */
export class KeyTable<Held> {
  readonly #holds: HoldsKey<Held>
  readonly #seed: number
  #hashes = new Int32Array(firstCapacity)
  #held: (Held | undefined)[] = new Array<Held | undefined>(firstCapacity).fill(undefined)
  #size = 0
  /** Of the key that was looked for last. */
  #hash = 0

  /** @param seed of the hashes @default random */
  constructor(holds: HoldsKey<Held>, seed: number = randomInt(2 ** 32)) {
    this.#holds = holds
    this.#seed = seed
  }

  get size(): number {
    return this.#size
  }

  /** The place of a key; `~place` of where it would be when it is not there. */
  find(bytes: Uint8Array, start: number, end: number): number {
    const hash = hashOfSpan(bytes, start, end, this.#seed)
    const hashes = this.#hashes
    const mask = hashes.length - 1
    this.#hash = hash
    for (let at = hash & mask; ; at = (at + 1) & mask) {
      const held = this.#held[at]
      if (held === undefined) return ~at
      if (hashes[at] === hash && this.#holds(held, bytes, start, end)) return at
    }
  }

  /** What is held under a key. */
  get(bytes: Uint8Array, start: number, end: number): Held | undefined {
    const place = this.find(bytes, start, end)
    return place < 0 ? undefined : this.#held[place]
  }

  /** What is held at a place that {@link KeyTable.find} has found. */
  at(place: number): Held | undefined {
    return this.#held[place]
  }

  /** Holds something under the key that was just looked for: at its place, or at the one it was told it would have. */
  put(place: number, held: Held): void {
    if (place >= 0) {
      this.#held[place] = held
      return
    }
    this.#hashes[~place] = this.#hash
    this.#held[~place] = held
    this.#size++
    if (this.#size > this.#hashes.length * maxLoad) this.#grow()
  }

  /** Forgets what is at a place; what had to make way for it moves up, so that nothing is looked for past a gap. */
  delete(place: number): void {
    const hashes = this.#hashes
    const mask = hashes.length - 1
    let gap = place
    for (let at = (gap + 1) & mask; this.#held[at] !== undefined; at = (at + 1) & mask) {
      const hash = hashes[at] ?? 0
      const isHomeBeforeGap = ((at - (hash & mask)) & mask) >= ((at - gap) & mask)
      if (!isHomeBeforeGap) continue
      hashes[gap] = hash
      this.#held[gap] = this.#held[at]
      gap = at
    }
    this.#held[gap] = undefined
    this.#size--
  }

  #grow(): void {
    const [hashes, held] = [this.#hashes, this.#held]
    const capacity = hashes.length * (hashes.length < largeCapacity ? 4 : 2)
    const mask = capacity - 1
    this.#hashes = new Int32Array(capacity)
    this.#held = new Array<Held | undefined>(capacity).fill(undefined)
    for (let from = 0; from < hashes.length; from++) {
      if (held[from] === undefined) continue
      const hash = hashes[from] ?? 0
      let at = hash & mask
      while (this.#held[at] !== undefined) at = (at + 1) & mask
      this.#hashes[at] = hash
      this.#held[at] = held[from]
    }
  }
}
