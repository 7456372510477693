/** Told when bytes have moved: to where, and the bytes themselves at the old place, from `start` to `end`. */
export type Moved = (from: number, to: number, bytes: Buffer, start: number, end: number) => void

/** Chunks begin small and double up to this. */
const chunkBytes = 2 ** 20
const firstChunkBytes = 2 ** 14

/** Positions count units of four bytes, so that 8 GB of them are small integers. */
const unitBytes = 4
const chunkUnits = chunkBytes / unitBytes

/** Before the bytes stands their number, with this bit set when they are dead. */
const headerBytes = 4
const deadBit = 0x8000_0000

interface Chunk {
  readonly bytes: Buffer
  used: number
  dead: number
}

/**
 * Keeps many short runs of bytes outside the heap that is collected: a million objects cost the collector a second at every
 * pass, and let half as much garbage stand beside them.
 *
 * Runs are appended to chunks. Freed ones leave gaps; a chunk that is more than half gaps is given up when something is freed:
 * what lives in it is appended anew, and its owner is told. No call moves more than a chunk or two.
 */
export class ByteHeap {
  readonly #moved: Moved
  readonly #chunks: (Chunk | undefined)[] = []
  readonly #unused: number[] = []
  #current = -1
  /** Full, and not yet looked at for gaps. */
  #retired = -1

  constructor(moved: Moved) {
    this.#moved = moved
  }

  /** Bytes of all chunks. */
  get size(): number {
    return this.#chunks.reduce((sum, chunk) => sum + (chunk?.bytes.length ?? 0), 0)
  }

  /** Keeps a copy of the bytes from `start` to `end`; returns its position. */
  add(bytes: Uint8Array, start: number, end: number): number {
    const position = this.reserve(end - start)
    copy(bytes, start, end, this.bytesOf(position), this.startOf(position))
    return position
  }

  /** Makes room for so many bytes, which the caller writes; returns their position. */
  reserve(length: number): number {
    const needed = headerBytes + Math.ceil(length / unitBytes) * unitBytes
    const chunk = this.#chunkWithRoom(needed)
    const at = chunk.used
    chunk.bytes.writeUInt32LE(length, at)
    chunk.used += needed
    return this.#current * chunkUnits + at / unitBytes
  }

  /** Forgets what is at a position. Others may move now. */
  free(position: number): void {
    const index = Math.floor(position / chunkUnits)
    const chunk = this.#chunkAt(position)
    const at = offsetOf(position)
    const length = chunk.bytes.readUInt32LE(at)
    if (length >= deadBit) throw new Error('bytes are freed twice')
    chunk.bytes.writeUInt32LE((length | deadBit) >>> 0, at)
    chunk.dead += headerBytes + Math.ceil(length / unitBytes) * unitBytes
    this.#giveUpIfSparse(index)
    const retired = this.#retired
    this.#retired = -1
    if (retired >= 0 && retired !== index) this.#giveUpIfSparse(retired)
  }

  /** The array in which a position's bytes are, from {@link ByteHeap.startOf} to {@link ByteHeap.endOf}. */
  bytesOf(position: number): Buffer {
    return this.#chunkAt(position).bytes
  }

  startOf(position: number): number {
    return offsetOf(position) + headerBytes
  }

  endOf(position: number): number {
    const at = offsetOf(position)
    return at + headerBytes + this.#chunkAt(position).bytes.readUInt32LE(at)
  }

  /** The position after this one, in the order in which runs were added; undefined at the end, and where something was freed. */
  after(position: number): number | undefined {
    const chunk = this.#chunkAt(position)
    const length = chunk.bytes.readUInt32LE(offsetOf(position))
    const next = offsetOf(position) + headerBytes + Math.ceil(length / unitBytes) * unitBytes
    if (next < chunk.used) {
      const isDead = chunk.bytes.readUInt32LE(next) >= deadBit
      return isDead ? undefined : position - offsetOf(position) / unitBytes + next / unitBytes
    }
    const index = Math.floor(position / chunkUnits) + 1
    const first = this.#chunks[index]
    if (first === undefined || first.bytes.readUInt32LE(0) >= deadBit) return undefined
    return index * chunkUnits
  }

  #chunkAt(position: number): Chunk {
    const chunk = this.#chunks[Math.floor(position / chunkUnits)]
    if (chunk) return chunk
    throw new Error(`nothing is at position ${position}`)
  }

  #chunkWithRoom(needed: number): Chunk {
    const current = this.#chunks[this.#current]
    if (current && current.used + needed <= current.bytes.length) return current
    this.#retired = this.#current
    const size = Math.max(needed, Math.min(chunkBytes, firstChunkBytes * 2 ** this.#chunks.length))
    const chunk: Chunk = { bytes: Buffer.allocUnsafeSlow(size), used: 0, dead: 0 }
    this.#current = this.#unused.pop() ?? this.#chunks.length
    this.#chunks[this.#current] = chunk
    return chunk
  }

  #giveUpIfSparse(index: number): void {
    const chunk = this.#chunks[index]
    if (!chunk || index === this.#current || chunk.dead * 2 <= chunk.used) return
    for (let at = 0; at < chunk.used; ) {
      const header = chunk.bytes.readUInt32LE(at)
      const length = header & ~deadBit
      const start = at + headerBytes
      if (header < deadBit) {
        const to = this.add(chunk.bytes, start, start + length)
        const from = index * chunkUnits + at / unitBytes
        this.#moved(from, to, chunk.bytes, start, start + length)
      }
      at = start + Math.ceil(length / unitBytes) * unitBytes
    }
    this.#chunks[index] = undefined
    this.#unused.push(index)
  }
}

function offsetOf(position: number): number {
  return (position % chunkUnits) * unitBytes
}

/** A loop for what is short: a call would cost more than the bytes. */
function copy(from: Uint8Array, start: number, end: number, to: Uint8Array, at: number): void {
  if (end - start > 256) to.set(from.subarray(start, end), at)
  else for (let index = start; index < end; index++) to[at + index - start] = from[index] ?? 0
}
