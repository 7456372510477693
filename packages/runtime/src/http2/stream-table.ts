import type { ServerStream } from './server-stream.ts'

const firstCapacity = 4

/**
 * The open streams of a connection by their IDs, which are odd and grow: neighbours lie side by side. A `Map` would be made anew every few
 * streams, as each of them is added once and deleted once, and its outgrown tables would hold on to streams that have ended.
 */
export class StreamTable {
  #places: (ServerStream | undefined)[] = new Array<undefined>(firstCapacity).fill(undefined)
  #size = 0

  get size(): number {
    return this.#size
  }

  get(id: number): ServerStream | undefined {
    return this.#places[this.#find(id)]
  }

  /** Adds a stream whose ID is not there. */
  add(stream: ServerStream): void {
    if ((this.#size + 1) * 2 > this.#places.length) this.#grow()
    this.#places[this.#find(stream.id)] = stream
    this.#size++
  }

  /** Takes a stream out; what had to make way for it moves up, so that nothing is looked for past a gap. */
  delete(id: number): void {
    const places = this.#places
    const mask = places.length - 1
    let gap = this.#find(id)
    if (places[gap] === undefined) return
    for (let at = (gap + 1) & mask; ; at = (at + 1) & mask) {
      const stream = places[at]
      if (stream === undefined) break
      if (((at - homeOf(stream.id, mask)) & mask) < ((at - gap) & mask)) continue
      places[gap] = stream
      gap = at
    }
    places[gap] = undefined
    this.#size--
  }

  /** The streams as they are now: they may end meanwhile. */
  streams(): readonly ServerStream[] {
    return this.#places.filter((stream) => stream !== undefined)
  }

  /** Where a stream is, or where there is room for it. */
  #find(id: number): number {
    const places = this.#places
    const mask = places.length - 1
    for (let at = homeOf(id, mask); ; at = (at + 1) & mask) {
      const stream = places[at]
      if (stream === undefined || stream.id === id) return at
    }
  }

  #grow(): void {
    const streams = this.streams()
    this.#places = new Array<undefined>(this.#places.length * 2).fill(undefined)
    for (const stream of streams) this.#places[this.#find(stream.id)] = stream
  }
}

function homeOf(id: number, mask: number): number {
  return (id >>> 1) & mask
}
